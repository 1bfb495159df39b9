package movie

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"Spider-Man":        {"spider", "man"},
		"Don't Look Up":     {"dont", "look", "up"},
		"Don\u2019t":        {"dont"},
		"AMÉLIE":            {"amelie"},
		"Ame\u0301lie":      {"amelie"},
		"Straße":            {"strasse"},
		"(500) Days":        {"500", "days"},
		"7½":                {"71", "2"},
		"千と千尋の神隠し":          {"千と千尋の神隠し"},
		"Æon 2.0":           {"æon", "2", "0"},
		" -- ":              nil,
		"the lion the king": {"the", "lion", "the", "king"},
	} {
		if got := Words(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWordsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		for _, w := range Words(text) {
			if w == "" || len(w) > MaxWord || !utf8.ValidString(w) {
				t.Fatalf("word %q of %q", w, text)
			}
			if !slices.Contains(Words(strings.ToUpper(w)), w) && len(Words(strings.ToUpper(w))) == 1 && strings.ToLower(strings.ToUpper(w)) == w {
				t.Fatalf("%q is not found in capitals", w)
			}
		}
	})
}

func TestHasWords(t *testing.T) {
	const title = "The Lion King: Return"
	for query, want := range map[string]bool{
		"lion": true, "LI": true, "li king": false, "king li": true, "king lion ret": true, "the the": true, "return x": false, "": true,
	} {
		if got := hasWords(title, Words(query)); got != want {
			t.Errorf("%q: %t", query, got)
		}
	}
}
