package decode

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// TestReasonsSayWhatToChange: the reason tells a producer with other names, a wrapper or
// another format what to change.
func TestReasonsSayWhatToChange(t *testing.T) {
	const movies = `[{"title":"A","year":1},{"title":"B","year":2}]`
	wide := func(little bool, mark string) string {
		var text []byte
		for _, unit := range utf16.Encode([]rune(mark + movies)) {
			if little {
				text = append(text, byte(unit), byte(unit>>8))
			} else {
				text = append(text, byte(unit>>8), byte(unit))
			}
		}
		return string(text)
	}
	tar := "a.json" + strings.Repeat("\x00", 251) + "ustar\x0000" + strings.Repeat("\x00", 248)
	const noJSON = ", expected JSON in UTF-8, plain or compressed by gzip or zstd"
	for object, want := range map[string]string{
		`{"Title":"A","year":1}`:                                                     `title: found nothing, expected a string; rename "Title" to "title"`,
		`{"titel":"A","year":1}`:                                                     `title: found nothing, expected a string; rename "titel" to "title"`,
		`{"title":"A","Yaer":1,"rear":2}`:                                            `year: found nothing, expected an integer from 1 to 9999; rename "Yaer" to "year"`,
		`{"titles":"A","name":"B","year":1}`:                                         `title: found nothing, expected a string; rename "name" to "title"`,
		`{"time":"A","year":1}`:                                                      `title: found nothing, expected a string`,
		`{"title":"A","term":1}`:                                                     `year: found nothing, expected an integer from 1 to 9999`,
		`{"TITLE":"A","year":1}`:                                                     `title: found nothing, expected a string; rename "TITLE" to "title"`,
		`{"id":7,"name":"A","year":1}`:                                               `title: found nothing, expected a string; rename "name" to "title"`,
		`{"t\u0069tle":"A","\u0059ear":1}`:                                           `year: found nothing, expected an integer from 1 to 9999; rename "Year" to "year"`,
		`{"title":"A","release_year":1}`:                                             `year: found nothing, expected an integer from 1 to 9999; rename "release_year" to "year"`,
		`{"title":"A"}`:                                                              `year: found nothing, expected an integer from 1 to 9999`,
		`{"title":"A","year":" 2010"}`:                                               `year: found string " 2010", expected an integer from 1 to 9999`,
		`{"title":"A","year":"0"}`:                                                   `year: found string "0", expected an integer from 1 to 9999`,
		`{"movies": ` + movies + `}`:                                                 `update: found the updates inside "movies", expected them without it: one array, or one object after the other`,
		`{"total":2,"data":{"items": ` + movies + `}}`:                               `update: found the updates inside "data", expected them without it: one array, or one object after the other`,
		`{"Title":"A","Year":"1","Ratings":[{"of":"B"}]}`:                            `title: found nothing, expected a string; rename "Title" to "title"`,
		`{"Title":"A","Ratings":[{"of":"B"}]}`:                                       `title: found nothing, expected a string; rename "Title" to "title"`,
		`{"date":"1","movies":[{"x":1}]}`:                                            `update: found the updates inside "movies", expected them without it: one array, or one object after the other`,
		`{"name":"all","movies":[{"x":1}]}`:                                          `update: found the updates inside "movies", expected them without it: one array, or one object after the other`,
		`{"title":"A",` + manyFields(200) + `"Year":1}`:                              `year: found nothing, expected an integer from 1 to 9999; rename "Year" to "year"`,
		`{"movie":{"title":"A","year":1}}`:                                           `update: found the updates inside "movie", expected them without it: one array, or one object after the other`,
		`{"movies": [` + strings.Repeat(" ", MaxUpdate) + `{"title":"A","year":1}]}`: tooLarge,
		wide(true, "\ufeff"):                                                         `object: found UTF-16` + noJSON,
		wide(false, "\ufeff"):                                                        `object: found UTF-16` + noJSON,
		wide(true, ""):                                                               `object: found UTF-16` + noJSON,
		wide(false, ""):                                                              `object: found UTF-16` + noJSON,
		"PK\x03\x04and more":                                                         `object: found a zip file` + noJSON,
		tar:                                                                          `object: found a tar file` + noJSON,
		string(gzipped([]byte(tar))):                                                 `object: found a tar file inside gzip` + noJSON,
		string(gzipped(gzipped([]byte(movies)))):                                     `object: found gzip inside gzip, expected it compressed once`,
		string(zstded(gzipped([]byte(movies)))):                                      `object: found gzip inside zstd, expected it compressed once`,
		"BZh91AY":                                                                    `object: found bzip2` + noJSON,
		"<html>\n" + `{"title":"A","year":1}`:                                        `object: found XML or HTML` + noJSON,
		"<html>":                                                                     `object: found XML or HTML` + noJSON,
	} {
		if diff := cmp.Diff([]string{want}, outline(mustRead(t, []byte(object)))); diff != "" {
			t.Errorf("%.80q: %s", object, diff)
		}
	}
}

// TestBrokenBeginning: a first line that begins like another format costs only itself.
func TestBrokenBeginning(t *testing.T) {
	const next = "\n{ \n" + `"title":"B","year":2}` + "\n"
	for _, line := range []string{
		"{\x00\"title\":\"A\",\"year\":1}", "\x00{\"title\":\"A\",\"year\":1}", "\x00[", "\xff\xfe", "\xfe\xff", "\xff",
		"<", "<info> export", "BZh9", "ORC", "PAR1", "%PDF", "Rar!", "Obj", "PK", "SQLite format 3", "title: A", "title,year",
	} {
		got := outline(mustRead(t, []byte(line+next)))
		if len(got) != 2 || strings.HasPrefix(got[1], "object:") || !strings.Contains(got[1], "B") {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// manyFields returns n unknown fields.
func manyFields(n int) string {
	var fields strings.Builder
	for i := range n {
		fmt.Fprintf(&fields, `"x%d":1,`, i)
	}
	return fields.String()
}

// TestFieldCounts: of fields without end some are named, and those that may be meant for known ones.
func TestFieldCounts(t *testing.T) {
	var c FieldCounts
	for i := range 1000 {
		c.Add([]string{fmt.Sprint("x", i), "x0"})
	}
	if c.Updates["x0"] != 1001 || len(c.Updates) != maxFields || !c.More {
		t.Errorf("%d names, more: %t: %v", len(c.Updates), c.More, c.Updates)
	}
	if got := c.Add([]string{"actors", "x999"}); len(got) != 1 || got[0] != "actors" {
		t.Errorf("new ones are %q", got)
	}
}

// TestIgnoredFields: Read names unknown fields, and Meant the fields they probably stand for.
func TestIgnoredFields(t *testing.T) {
	for text, want := range map[string][]string{
		`{"title":"A","year":1}`: nil,
		`{"href":null,"title":"A","year":1,"extract":"x","thumb\u006eail":{"title":[]}}`:             {"href", "extract", "thumbnail/title", "thumbnail"},
		`{"title":"A","year":1,"info":{"actors":["B"],"Genres":[{}],"rating":[[1]],"x":{"cast":1}}}`: {"info", "info/actors", "info/Genres"},
		`{"title":"A","year":1,"actors":["B"]}`:                                                      {"actors"},
		`{"title":"A","year":1,"` + strings.Repeat("x", 100) + `":1}`:                                {strings.Repeat("x", maxQuoted)},
	} {
		for range 2 { // the second Read finds the names in the decoder
			var got []string
			err := Read(strings.NewReader(text), func(item Item) error {
				got = append(got, item.Ignored...)
				return nil
			})
			if diff := cmp.Diff(want, got); err != nil || diff != "" && !sameNames(want, got) {
				t.Errorf("%s: %v %s", text, err, diff)
			}
		}
	}
	for name, want := range map[string]string{"actors": "cast", "Genre": "genres", "info/Actors": "cast", "href": "", "TITLE": "title"} {
		if got := Meant(name); got != want {
			t.Errorf("%q is meant as %q, want %q", name, got, want)
		}
	}
}

// sameNames compares two lists, whatever their order.
func sameNames(want, got []string) bool {
	seen := map[string]int{}
	for _, name := range want {
		seen[name]++
	}
	for _, name := range got {
		seen[name]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}
