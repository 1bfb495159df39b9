package movie

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"Spider-Man":              {"spider", "man"},
		"Don't Look Up":           {"dont", "look", "up"},
		"Don\u2019t":              {"dont"},
		"A\u0374, \u0149, \uab70": {"a", "n", "\uab70"},
		"AMÉLIE":                  {"amelie"},
		"À b\u0300, x₀y₉":         {"a", "b", "x0y9"},
		"Ame\u0301lie":            {"amelie"},
		"Straße":                  {"strasse"},
		"(500) Days":              {"500", "days"},
		"9½ Weeks":                {"9", "1", "2", "weeks"},
		"7½":                      {"7", "1", "2"},
		"Pokémon™ the Movie":      {"pokemon", "the", "movie"},
		"A℠B\U0001f16aC":          {"a", "b", "c"},
		"Alien³, 10²³, Saw①":      {"alien", "3", "10", "23", "saw", "1"},
		"H₂O, Rocky Ⅳ, ⓉⓌⓄ":       {"h2o", "rocky", "iv", "two"},
		"№5, 10㎏, ₨100, 5㌔":       {"no", "5", "10", "kg", "rs", "100", "5", "キロ"},
		"1\ufe0f\u20e3, ❤\ufe0f":  {"1"},
		"パリ, ﾊﾟﾘ, ハ゜リ, ハリ":        {"パリ", "パリ", "パリ", "ハリ"},
		"กิน กัน":                 {"กิน", "กัน"},
		"দেবী, কো, ক\u09c7\u09be": {"দেবী", "কো", "কো"},
		"काला, फ़िल्म, \u092bिल्म":        {"काला", "फिल्म", "फिल्म"},
		"שָׁלוֹם, كِتَاب, كـــتاب":        {"שלום", "كتاب", "كتاب"},
		"Ёж, Ὀδυσσεύς":                    {"еж", "οδυσσευσ"},
		"Qur\u02bean, \u02bfAli":          {"quran", "ali"},
		"d\u055aA \u07f4n\u07f5 x\u02eey": {"da", "n", "xy"},
		"기생충":                             {"\u1100\u1175\u1109\u1162\u11bc\u110e\u116e\u11bc"},
		"千と千尋の神隠し":                        {"千と千尋の神隠し"},
		"Æon 2.0":                         {"aeon", "2", "0"},
		"Ærø, Łódź, ÐÞ, ı":                {"aero", "lodz", "dth", "i"},
		"D`Artagnan´s ‘n’ O\u00adK":       {"dartagnans", "n", "ok"},
		" -- ":                            nil,
		"the lion the king":               {"the", "lion", "the", "king"},
	} {
		if got := Words(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWordsProperties(t *testing.T) {
	marked := rapid.StringOf(rapid.RuneFrom([]rune("aかガখকে९½™\u3099\u309a\u09be\ufe0f"), unicode.M, unicode.No, unicode.S))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), marked).Draw(t, "text")
		if got, want := Words(norm.NFD.String(text)), Words(text); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, but decomposed %q", text, want, got)
		}
		for _, w := range Words(text) {
			if w == "" || len(w) > MaxWord || !utf8.ValidString(w) {
				t.Fatalf("word %q of %q", w, text)
			}
			if !slices.Equal(Words(w), []string{w}) {
				t.Fatalf("%q of %q: folded again it is %q", w, text, Words(w))
			}
			if !slices.Contains(Words(strings.ToUpper(w)), w) && len(Words(strings.ToUpper(w))) == 1 && strings.ToLower(strings.ToUpper(w)) == w {
				t.Fatalf("%q is not found in capitals", w)
			}
		}
	})
}

// TestEveryLetter: case and composition of a letter make no difference.
func TestEveryLetter(t *testing.T) {
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) || unicode.In(r, unicode.Han, unicode.Hangul, unicode.Tangut) {
			continue
		}
		word := "a" + string(r) + "b"
		want := Words(word)
		for _, same := range []string{
			"a" + string(unicode.ToUpper(r)) + "b", "a" + string(unicode.ToLower(r)) + "b", "a" + string(unicode.ToTitle(r)) + "b",
			norm.NFC.String(word), norm.NFD.String(word), strings.Join(want, " "),
		} {
			if got := Words(same); !slices.Equal(got, want) {
				t.Errorf("%q (%U): %q, but %q: %q", word, r, want, same, got)
			}
		}
	}
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

// TestPrefixes: a title is found by the letters that are typed first.
func TestPrefixes(t *testing.T) {
	for _, test := range []struct {
		title, query string
		want         bool
	}{
		{"パリ", "パ", true}, {"パリ", "ハ", false}, {"ばら", "は", false}, {"हिन्दी", "ह", true}, {"हिन्दी", "हि", true}, {"हिन्दी", "हा", false},
		{"กินรี", "กิ", true}, {"กินรี", "กั", false}, {"기생충", "기", true}, {"기생충", "기ㅅ", true}, {"기생충", "기새", true},
		{"Pokémon™ the Movie", "pokemon movie", true}, {"9½ Weeks", "9 1/2 weeks", true}, {"Alien³", "alien 3", true}, {"Alien³", "ali", true},
	} {
		if got := hasWords(test.title, Words(test.query)); got != test.want {
			t.Errorf("%q has %q: %t", test.title, test.query, got)
		}
	}
}

// TestASCIIWords: an ASCII title gives the same words with and without a non-ASCII word beside
// it.
func TestASCIIWords(t *testing.T) {
	letters := []rune("aAzZ09'' -.\"\x00\x7f\n")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom(letters), 0, 200, -1).Draw(t, "text")
		folded := Words(text + " é")
		if got, want := Words(text), folded[:len(folded)-1]; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func BenchmarkWords(b *testing.B) {
	for _, title := range []string{"The Lord of the Rings: The Return of the King", "Le Fabuleux Destin d'Amélie Poulain"} {
		b.Run(title[:2], func(b *testing.B) {
			for range b.N {
				Words(title)
			}
		})
	}
}
