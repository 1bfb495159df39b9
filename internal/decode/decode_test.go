package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// readAll returns the items of an object.
func readAll(r io.Reader) ([]Item, error) {
	var items []Item
	err := Read(r, func(item Item) error {
		items = append(items, item)
		return nil
	})
	return items, err
}

// mustRead returns the items of an object.
func mustRead(t testing.TB, object []byte) []Item {
	t.Helper()
	items, err := readAll(bytes.NewReader(object))
	if err != nil {
		t.Fatalf("read %q: %v", cut(string(object), maxQuoted), err)
	}
	return items
}

// outline returns a line for each item: title and year, or the reason.
func outline(items []Item) []string {
	var lines []string
	for _, item := range items {
		if item.Reason != "" {
			lines = append(lines, item.Reason)
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %d", item.Update.Title, item.Update.Year))
	}
	return lines
}

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

func zstded(text []byte) []byte { return encoder.EncodeAll(text, nil) }

var encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))

func movieJSON(title string, year int) string {
	return fmt.Sprintf(`{"title":%q,"year":%d}`, title, year)
}

// TestFields checks single updates, valid and invalid.
func TestFields(t *testing.T) {
	long := strings.Repeat("x", MaxTitle)
	names := func(n int, name string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(name+",", n), ",") + "]"
	}
	const year = `expected an integer from 1 to 9999`
	for object, want := range map[string]string{
		`{"title":"A","year":2000}`:                                    "A 2000",
		`{"title":"A","year":1,"deleted":null}`:                        "A 1",
		`{"title":"A","year":9999,"deleted":true}`:                     "A 9999",
		`{"year":2000,"title":" \t\u00a0Ame\u0301lie\u3000 "}`:         "Amélie 2000",
		`{"\u0074itle":"A","year":2000}`:                               "A 2000",
		`{"title":"A","year":2000,"Title":3,"YEAR":[{}],"x":{"x":[]}}`: "A 2000",
		`{"title":"` + long + `   ","year":2000}`:                      long + " 2000",

		`{"year":2000}`:                             "title: found nothing, expected a string",
		`{"title":"A"}`:                             "year: found nothing, " + year,
		`{}`:                                        "title: found nothing, expected a string",
		`{"Title":"A","year":2000}`:                 `title: found nothing, expected a string; rename "Title" to "title"`,
		`{"title":"A","deleted":true}`:              "year: found nothing, " + year,
		`{"title":null,"year":2000}`:                "title: found null, expected a string",
		`{"title":12,"year":2000}`:                  "title: found number 12, expected a string",
		`{"title":{"a":1},"year":2000}`:             "title: found an object, expected a string",
		`{"title":["A"],"year":2000}`:               "title: found an array, expected a string",
		`{"title":"","year":2000}`:                  "title: found only white space, expected a string that is not blank",
		`{"title":" \u2003\n ","year":2000}`:        "title: found only white space, expected a string that is not blank",
		`{"title":"a\u0000b","year":2000}`:          `title: found a NUL in "a\x00b", expected text without`,
		`{"title":"` + long + `x","year":2000}`:     "title: found 1025 bytes, expected at most 1024",
		`{"title":"A","year":"2015"}`:               `year: found string "2015", ` + year + ": write 2015 without quotes",
		`{"title":"A","year":"1"}`:                  `year: found string "1", ` + year + ": write 1 without quotes",
		`{"title":"A","year":"9999"}`:               `year: found string "9999", ` + year + ": write 9999 without quotes",
		`{"title":"A","year":"0"}`:                  `year: found string "0", ` + year,
		`{"title":"A","year":"10000"}`:              `year: found string "10000", ` + year,
		`{"title":"A","year":"2e3"}`:                `year: found string "2e3", ` + year,
		`{"title":"A","year":2015.5}`:               "year: found number 2015.5, " + year + " without fraction or exponent",
		`{"title":"A","year":2015.0}`:               "year: found number 2015.0, " + year + " without fraction or exponent",
		`{"title":"A","year":2e3}`:                  "year: found number 2e3, " + year + " without fraction or exponent",
		`{"title":"A","year":{}}`:                   "year: found an object, " + year,
		`{"title":"A","year":null}`:                 "year: found null, " + year,
		`{"title":"A","year":true}`:                 "year: found true, " + year,
		`{"title":"A","year":0}`:                    "year: found number 0, which is out of range, " + year,
		`{"title":"A","year":-0}`:                   "year: found number -0, which is out of range, " + year,
		`{"title":"A","year":-5}`:                   "year: found number -5, which is out of range, " + year,
		`{"title":"A","year":10000}`:                "year: found number 10000, which is out of range, " + year,
		`{"title":"A","year":99999999999999999999}`: "year: found number 99999999999999999999, which is out of range, " + year,
		`{"title":"A","year":2000,"deleted":"yes"}`: `deleted: found string "yes", expected true or false`,
		`{"title":"A","year":2000,"deleted":1}`:     "deleted: found number 1, expected true or false",
		`{"title":"A","year":2000,"deleted":[]}`:    "deleted: found an array, expected true or false",

		`{"title":"A","year":2000,"cast":"B"}`:                                                 `cast: found string "B", expected an array of strings`,
		`{"title":"A","year":2000,"cast":["B",null]}`:                                          "cast/1: found null, expected a string",
		`{"title":"A","year":2000,"genres":[3]}`:                                               "genres/0: found number 3, expected a string",
		`{"title":"A","year":2000,"genres":[["B"]]}`:                                           "genres/0: found an array, expected a string",
		`{"title":"A","year":2000,"genres":{"B":1}}`:                                           "genres: found an object, expected an array of strings",
		`{"title":"A","year":2000,"deleted":true,"cast":[3]}`:                                  "cast/0: found number 3, expected a string",
		`{"title":"A","year":2000,"cast":["` + long[:MaxName] + `"]}`:                          "A 2000",
		`{"title":"A","year":2000,"cast":["B","` + long[:MaxName+1] + `"]}`:                    "cast/1: found 513 bytes, expected at most 512",
		`{"title":"A","year":2000,"cast":["\u0000"]}`:                                          `cast/0: found a NUL in "\x00", expected text without`,
		`{"title":"A","year":2000,"cast":` + names(MaxCast, `"B"`) + `}`:                       "A 2000",
		`{"title":"A","year":2000,"cast":` + names(MaxCast+1, `"B"`) + `}`:                     "cast: found more than 5000 names, expected at most that",
		`{"title":"A","year":2000,"genres":` + names(MaxGenres, `""`) + `}`:                    "A 2000",
		`{"title":"A","year":2000,"genres":` + names(MaxGenres+1, `" "`) + `}`:                 "genres: found more than 200 names, expected at most that",
		`{"title":"A","title":"B","year":2000}`:                                                "title: found the key twice, expected it once",
		`{"title":"A","t\u0069tle":"B","year":2000}`:                                           "title: found the key twice, expected it once",
		`{"title":"A","year":2000,"x":[0,{"y":1,"y":2}]}`:                                      "x/1/y: found the key twice, expected it once",
		"{\"title\":\"A\xff\",\"year\":2000}":                                                  "title: found invalid UTF-8 at byte 12, expected sound JSON",
		"{\"title\":\"A\",\"year\":2000,\"x\":\"\xc3\"}":                                       "x: found invalid UTF-8 at byte 31, expected sound JSON",
		`{"title":"A\ud800","year":2000}`:                                                      "title: found invalid surrogate pair `\\ud800\",\"yea` in string at byte 12, expected sound JSON",
		`{"title":"` + "\U0001F600" + `\ud83d\ude00","year":2000}`:                             "\U0001F600\U0001F600 2000",
		`{"title":"A","year":2000,"x":` + nested(MaxDepth-1) + `}`:                             "A 2000",
		`{"title":"A","year":2000,"x":` + nested(MaxDepth) + `}`:                               tooDeep,
		`{"title":` + nested(MaxDepth) + `}`:                                                   tooDeep,
		`{"title":"` + strings.Repeat("é", 40) + `","year":"` + strings.Repeat("é", 40) + `"}`: `year: found string "` + strings.Repeat("é", 32) + `"..., ` + year,
	} {
		// Its neighbours must not change.
		want := []string{"before 1", want, "after 2"}
		before, after := movieJSON("before", 1), movieJSON("after", 2)
		for _, object := range []string{
			before + object + after,
			before + "\n" + object + "\r\n" + after,
			"\ufeff \n[" + before + "," + object + " ,\n" + after + "]\n",
		} {
			if diff := cmp.Diff(want, outline(mustRead(t, []byte(object)))); diff != "" {
				t.Errorf("%s: %s", cut(object[len(before):], maxQuoted), diff)
			}
		}
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// TestLists checks valid lists of names.
func TestLists(t *testing.T) {
	long := make([]string, 50)
	for i := range long {
		long[i] = fmt.Sprintf("Name %d", i)
	}
	for list, want := range map[string][]string{
		`null`:                            nil,
		`[]`:                              {},
		`["", " ", "\u2003"]`:             {},
		`["B","A","B"," A ","b"]`:         {"B", "A", "b"},
		`["Ame\u0301lie", "Am\u00e9lie"]`: {"Amélie"},
		`["` + strings.Join(long, `","`) + `","Name 7",""]`: long,
	} {
		for _, field := range []string{"cast", "genres"} {
			object := `{"title":"A","year":2000,"` + field + `":` + list + `}`
			u := mustRead(t, []byte(object))[0].Update
			got, other := u.Cast, u.Genres
			if field == "genres" {
				got, other = other, got
			}
			if diff := cmp.Diff(want, got); diff != "" || other != nil {
				t.Errorf("%s: other list %v, %s", cut(object, maxQuoted), other, diff)
			}
		}
	}
}

// TestStructure checks where values begin and end.
func TestStructure(t *testing.T) {
	a, b, c := movieJSON("A", 1), movieJSON("B", 2), movieJSON("C", 3)
	nothing := "object: found nothing but white space, expected at least one update"
	cutShort := "update: found the end of the object inside it, expected its rest"
	for object, want := range map[string][]string{
		a:                            {"A 1"},
		a + b + "\t" + c:             {"A 1", "B 2", "C 3"},
		"\ufeff" + a:                 {"A 1"},
		"[]":                         nil,
		" [ ] \n":                    nil,
		"[" + a + "," + b + "]":      {"A 1", "B 2"},
		"":                           {nothing},
		" \r\n\t":                    {nothing},
		"\ufeff":                     {nothing},
		string(gzipped(nil)):         {nothing},
		string(gzipped([]byte(" "))): {nothing},

		a + " 123 " + b:         {"A 1", "update: found number 123, expected an object", "B 2"},
		a + "\"x\"" + b:         {"A 1", `update: found string "x", expected an object`, "B 2"},
		a + "[" + b + "]" + c:   {"A 1", "update: found an array, expected an object", "C 3"},
		"null\n" + a:            {"update: found null, expected an object", "A 1"},
		a + "true":              {"A 1", "update: found true, expected an object"},
		"[1,null," + a + ",[]]": {"update: found number 1, expected an object", "update: found null, expected an object", "A 1", "update: found an array, expected an object"},

		`{"title":"A","year":1,"x":"` + strings.Repeat("x", 257-27) + `ustar"}` + b: {"A 1", "B 2"}, // as in a tar file

		// A broken line is rejected alone.
		`{"title":"A","year":` + "\n" + b + "\n" + c: {"update: found invalid character '{' after object value (expecting ',' or '}') at byte 45, expected sound JSON", "B 2", "C 3"},
		`{"title":"A,"year":1}` + "\n" + b:           {"update: found invalid character 'y' after object value (expecting ',' or '}') at byte 14, expected sound JSON", "B 2"},
		a + "\n{\"title\":\"\n" + b:                  {"A 1", `title: found invalid character '\n' in string (expecting non-control character) at byte 11, expected sound JSON`, "B 2"},
		a + "," + b + "\n" + c:                       {"A 1", "update: found invalid character ',' at start of value at byte 1, expected sound JSON", "C 3"},
		a + "\n}\n" + c:                              {"A 1", "update: found invalid character '}' at start of value at byte 1, expected sound JSON", "C 3"},
		"\ufeff\ufeff" + a + "\n" + b:                {`update: found invalid character '\ufeff' at start of value at byte 1, expected sound JSON`, "B 2"},
		a + "\n" + `{"title":"B"`:                    {"A 1", cutShort},
		"{1:2}\n" + b:                                {"update: found a member name that is no string at byte 2, expected sound JSON", "B 2"},
		"{\"\":oops}\n" + b:                          {`"": found invalid character 'o' at start of value at byte 5, expected sound JSON`, "B 2"},
		// So is a broken object of several lines.
		"{\n \"title\": \"A\",\n oops\n {}\n}\n" + b: {"update: found invalid character 'o' at start of value at byte 19, expected sound JSON", "B 2"},

		// The rest of a broken array is rejected.
		"[" + a + "," + b:                {"A 1", "B 2", "array: found the end of the object inside it, expected its rest"},
		"[" + a + ",":                    {"A 1", "array: found the end of the object inside it, expected its rest"},
		"[":                              {"array: found the end of the object inside it, expected its rest"},
		"[,]":                            {"update: found invalid character ',' at start of value at byte 1, expected sound JSON"},
		"[" + a + ",]":                   {"A 1", "update: found invalid character ']' at start of value at byte 1, expected sound JSON"},
		"[" + a + "\n" + b + "]":         {"A 1", `array: found "{" behind an element, expected a comma or the closing bracket`},
		"[" + a + ",{\"x\":\n" + b + "]": {"A 1", "update: found invalid character ']' after object value (expecting ',' or '}') at byte 29, expected sound JSON"},
		"[" + a + "," + `{"title":"B"`:   {"A 1", cutShort},
		"[" + a + "] " + b:               {"A 1", `array: found "{" behind the closing bracket, expected nothing`},
		"[]]":                            {`array: found "]" behind the closing bracket, expected nothing`},
	} {
		if diff := cmp.Diff(want, outline(mustRead(t, []byte(object)))); diff != "" {
			t.Errorf("%q: %s", object, diff)
		}
	}
}

func packings(text []byte) map[string][]byte {
	return map[string][]byte{formatPlain: text, formatGzip: gzipped(text), formatZstd: zstded(text)}
}

// TestMark: a byte order mark is skipped, also where the text ends at the end of a buffer.
func TestMark(t *testing.T) {
	for size := smallWindow; size <= 2*fullWindow; size *= 2 {
		for _, n := range []int{size - 1, size, size + 1} {
			text := "\ufeff" + movieJSON("A", 1)
			text += strings.Repeat("\n", n-len(text))
			for format, object := range packings([]byte(text)) {
				if items := mustRead(t, object); len(items) != 1 || items[0].Reason != "" {
					t.Errorf("%d bytes, %s: %v", n, format, outline(items))
				}
			}
		}
	}
}

// TestKept checks the bytes that a rejection keeps.
func TestKept(t *testing.T) {
	a := movieJSON("A", 1)
	broken := `{"title":` + strings.Repeat(" ", 3*MaxKept) + "oops"
	for _, test := range []struct {
		object, want string
		size         int
	}{
		{a + ` {"title": 3} ` + a, `{"title": 3}`, 12},
		{a + "\n{\"title\"\noops\n" + a, "{\"title\"\noops", 14},
		{"[" + a + ", oops ]", "oops ]", 6},
		{broken + "\n" + a, broken[:9], len(broken) + 1},
		{"[" + broken, broken[:9], len(broken)},
		{`{"x":"` + strings.Repeat("y", 2*MaxUpdate) + `"}`, `{"x":"` + strings.Repeat("y", MaxKept-6), 2*MaxUpdate + 8},
		{"\x1f\x8boops", "\x1f\x8boops", 0},
	} {
		rejections := 0
		for _, item := range mustRead(t, []byte(test.object)) {
			if item.Reason == "" {
				continue
			}
			if rejections++; string(item.Bytes) != test.want || item.Size != test.size {
				t.Errorf("%q: kept %q of %d, want %q of %d", cut(test.object, maxQuoted), cut(string(item.Bytes), maxQuoted), item.Size, cut(test.want, maxQuoted), test.size)
			}
		}
		if rejections != 1 {
			t.Errorf("%q: %d rejections, want 1", cut(test.object, maxQuoted), rejections)
		}
	}
}

// TestYieldError: Read stops at the first error of yield and returns it.
func TestYieldError(t *testing.T) {
	stop := errors.New("stop")
	for _, object := range []string{"{}{}", "[{},{}]", "oops\n{}", "[oops"} {
		calls := 0
		err := Read(strings.NewReader(object), func(Item) error { calls++; return stop })
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("%s: error %v after %d calls", object, err, calls)
		}
	}
}
