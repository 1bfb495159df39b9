package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"jpmovies/internal/movie"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// example is one value of an object and its expected item.
type example struct {
	json   string
	update movie.Update
	reason string // its beginning; empty for a valid update
}

// drawExample draws an update that is valid, or that is wrong in one way.
func drawExample(t *rapid.T) example {
	title := rapid.StringMatching(`[A-Za-zé"\\ 東]{0,12}[a-z]`).Draw(t, "title")
	year := rapid.IntRange(movie.MinYear, movie.MaxYear).Draw(t, "year")
	names := rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", " B ", "é", "e\u0301", ""}), 0, 5),
		rapid.SliceOfN(rapid.StringMatching(`[a-d]{0,2}`), 30, 40)) // long lists are hashed
	fields := map[string]any{"title": title, "year": year, "other": rapid.IntRange(0, 9).Draw(t, "other")}
	u := movie.Update{Identity: movie.Identity{Title: strings.TrimSpace(title), Year: year}}
	if rapid.Bool().Draw(t, "has cast") {
		cast := names.Draw(t, "cast")
		fields["cast"], u.Cast = cast, cleaned(cast)
	}
	if rapid.Bool().Draw(t, "has genres") {
		genres := names.Draw(t, "genres")
		fields["genres"], u.Genres = genres, cleaned(genres)
	}
	if deleted := rapid.SampledFrom([]any{nil, true, false, "absent"}).Draw(t, "deleted"); deleted != "absent" {
		fields["deleted"], u.Deleted = deleted, deleted == true
	}
	reason := ""
	switch rapid.IntRange(0, 12).Draw(t, "mistake") {
	case 0:
		delete(fields, "title")
		reason = "title: found nothing"
	case 1:
		fields["year"] = fmt.Sprint(year)
		reason = "year: found string"
	case 2:
		fields["cast"] = []any{"A", nil}
		reason = "cast/1: found null"
	case 3:
		fields["deleted"] = "no"
		reason = "deleted: found string"
	case 4:
		return example{json: "[" + movieJSON("A", 1) + "]", reason: "update: found an array"}
	case 5:
		return example{json: `{"x":1,"x":2}`, reason: "x: found the key twice"}
	case 6:
		return example{json: "{\"x\":\"\xff\"}", reason: "x: found invalid UTF-8"}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return example{string(text), u, reason}
}

// cleaned returns the names that a list keeps.
func cleaned(names []string) []string {
	kept := []string{}
	for _, name := range names {
		if name = norm.NFC.String(strings.TrimSpace(name)); name != "" && !slices.Contains(kept, name) {
			kept = append(kept, name)
		}
	}
	return kept
}

// TestForms: the same updates yield the same items in every form of an object and in pieces
// of any size.
func TestForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		examples := rapid.SliceOfN(rapid.Custom(drawExample), 1, 20).Draw(t, "updates")
		var texts []string
		for _, e := range examples {
			texts = append(texts, e.json)
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 5).Draw(t, "chunks")
		var first []Item
		for form, text := range map[string]string{
			// An object that begins with [ is an array, so a sequence begins with an update.
			"sequence": movieJSON("A", 1) + strings.Join(texts, ""),
			"lines":    movieJSON("A", 1) + "\n" + strings.Join(texts, "\r\n") + "\n",
			"mark":     "\ufeff " + movieJSON("A", 1) + "\t" + strings.Join(texts, " \n "),
			"array":    "[" + movieJSON("A", 1) + " , " + strings.Join(texts, ",") + "]",
		} {
			for pack, packed := range packings([]byte(text)) {
				items, err := readAll(&chunks{data: packed, sizes: sizes})
				if err != nil {
					t.Fatal(err)
				}
				checkExamples(t, form+" "+pack, examples, items[1:])
				if first == nil {
					first = items
				}
				if diff := cmp.Diff(first, items); diff != "" {
					t.Fatalf("%s %s differs: %s", form, pack, diff)
				}
			}
		}
	})
}

func checkExamples(t *rapid.T, form string, examples []example, items []Item) {
	if len(items) != len(examples) {
		t.Fatalf("%s: %d items of %d", form, len(items), len(examples))
	}
	for i, item := range items {
		e := examples[i]
		e.update.Stamp = item.Update.Stamp
		switch diff := cmp.Diff(e.update, item.Update); {
		case e.reason == "" && (item.Reason != "" || diff != ""):
			t.Fatalf("%s: %s: %s%s", form, e.json, item.Reason, diff)
		case e.reason != "" && (!strings.HasPrefix(item.Reason, e.reason) || string(item.Bytes) != e.json):
			t.Fatalf("%s: %s was rejected for %q, want %q, and kept %q", form, e.json, item.Reason, e.reason, item.Bytes)
		case item.Size != len(e.json):
			t.Fatalf("%s: %s took %d bytes", form, e.json, item.Size)
		}
	}
}

// problem checks an item by the specification, without the code of this package.
func problem(item Item, position int) string {
	u := item.Update
	switch {
	case item.Position != int64(position):
		return fmt.Sprintf("position %d is %d", position, item.Position)
	case item.Size < 0:
		return "negative size"
	case item.Reason != "":
		return reasonProblem(item)
	case item.Bytes != nil || u.Stamp.Position != item.Position || u.Stamp.Time.Sec != 0 || u.Stamp.Key != "":
		return "stamp or bytes of a valid item"
	case u.Year < 1 || u.Year > 9999:
		return "year"
	case u.Title == "" || !isClean(u.Title, 1024):
		return "title"
	case len(u.Cast) > 5000 || len(u.Genres) > 200:
		return "too many names"
	}
	for _, list := range [][]string{u.Cast, u.Genres} {
		for i, name := range list {
			if name == "" || !isClean(name, 512) || slices.Contains(list[:i], name) {
				return fmt.Sprintf("name %q", name)
			}
		}
	}
	return ""
}

func reasonProblem(item Item) string {
	switch {
	case len(item.Reason) > 400 || !utf8.ValidString(item.Reason):
		return "length or encoding of the reason"
	case strings.ContainsFunc(item.Reason, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' }):
		return "control character in the reason"
	case !strings.Contains(item.Reason, ": found ") || !strings.Contains(item.Reason, ", expected "):
		return "words of the reason"
	case len(item.Bytes) > 64<<10:
		return "too many bytes kept"
	}
	return ""
}

func isClean(text string, limit int) bool {
	return utf8.ValidString(text) && len(text) <= limit && strings.TrimSpace(text) == text &&
		norm.NFC.IsNormalString(text) && !strings.Contains(text, "\x00")
}

// FuzzRead: for any bytes, the items are valid, numbered without holes and the same for
// pieces of any size, and a failing reader is an error.
func FuzzRead(f *testing.F) {
	for _, object := range samples() {
		f.Add(object)
	}
	for _, seed := range []string{
		`{"title":"A\ud800","year":2000}`, `{"title":"A","year":2e3,"cast":["B",null]}` + "\n{", "[1,2]3", "[{}{}]", "{\"a\":[1,\n{\"a\":[1,\n",
		`{"title":"é","year":1,"deleted":true,"genres":[" B","B"]}`, "\ufeff[{\"x\":{\"x\":{\"y\":1,\"y\":2}}}]", "\x50\x2a\x4d\x18\x00\x00\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		items := mustRead(t, object)
		for i, item := range items {
			if p := problem(item, i+1); p != "" {
				t.Fatalf("item %d: %s: %+v", i+1, p, item)
			}
		}
		size := 1 + len(object)%61
		again, err := readAll(&chunks{data: object, sizes: []int{size, 1}})
		if err != nil || len(again) != len(items) || !isPrefix(again, items) {
			t.Fatalf("in chunks: %v %v, not %v", err, outline(again), outline(items))
		}
		half := object[:len(object)/2]
		part, err := readAll(io.MultiReader(bytes.NewReader(half), brokenReader{}))
		if err == nil || !isPrefix(part, items) {
			t.Fatalf("broken reader: %v %v", err, outline(part))
		}
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
