package api

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"jpmovies/internal/movie"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sameQuery compares the exported fields of queries.
var sameQuery = gocmp.Options{cmpopts.IgnoreUnexported(query{}), cmpopts.EquateEmpty()}

// TestParseQuery: the parser cleans texts, reads numbers, and sets defaults.
func TestParseQuery(t *testing.T) {
	all := query{Sort: movie.SortNewest, Start: 9, Limit: 3, Filter: movie.Filter{
		Title: "T", Year: 2001, Cast: []string{"A", "B", "A"}, Genres: []string{"G", "H"},
	}}
	for raw, want := range map[string]query{
		"":  {Sort: movie.SortNewest, Limit: 25},
		"&": {Sort: movie.SortNewest, Limit: 25},
		"cast=A&genre=G&title=T&cast=B&year=2001&genre=H&limit=3&start=9&cast=A":    all,
		"&&start=9&limit=3&year=2001&title=T&genre=G&genre=H&cast=A&cast=B&cast=A&": all,

		"limit=1":                     {Sort: movie.SortNewest, Limit: 1},
		"limit=100":                   {Sort: movie.SortNewest, Limit: 100},
		"limit=%C2%A07%0A":            {Sort: movie.SortNewest, Limit: 7},
		"year=1":                      {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Year: 1}},
		"year=9999":                   {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Year: 9999}},
		"start=1":                     {Sort: movie.SortNewest, Limit: 25, Start: 1},
		"start=9223372036854775807":   {Sort: movie.SortNewest, Limit: 25, Start: math.MaxInt64},
		"title=+The%20dawn%E3%80%80":  {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "The dawn"}},
		"title=a++b":                  {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "a  b"}},
		"title=1%2B1":                 {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "1+1"}},
		"title=007":                   {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "007"}},
		"title=a%3Bb%26c=d":           {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "a;b&c=d"}},
		"title=%00":                   {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "\x00"}},
		"title=e%CC%81":               {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "\u00e9"}},
		"title=Ame\u0301lie":          {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "Am\u00e9lie"}},
		"%74itle=T":                   {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Title: "T"}},
		"cast=e%CC%81+&genre=+%C3%A9": {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Cast: []string{"\u00e9"}, Genres: []string{"\u00e9"}}},
		"genre=%22%25%22":             {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Genres: []string{`"%"`}}},
		repeat("cast", maxNames):      {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Cast: slices.Repeat([]string{"x"}, maxNames)}},
	} {
		got, err := parseQuery(raw, pageParameters)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		}
		if diff := gocmp.Diff(want, got, sameQuery); diff != "" {
			t.Errorf("%q: want -, got +: %s", raw, diff)
		}
	}
}

// repeat is a query string that gives a parameter n times.
func repeat(name string, n int) string {
	return strings.TrimSuffix(strings.Repeat(name+"=x&", n), "&")
}

const (
	limits = "an integer from 1 to 100"
	years  = "an integer from 1 to 9999"
	starts = "an integer from 1 to 9223372036854775807"
	known  = "nown are cast, cast_any, cast_not, genre, genre_any, genre_not, id, limit, q, sort, start, title, year, year_from, year_to"
)

// TestWrongQuery: every error names the parameter, its fault, and the expected value.
func TestWrongQuery(t *testing.T) {
	for _, test := range []struct{ raw, parameter, wrong, right string }{
		// Unknown names, with suggestions.
		{"genres=Drama", "genres", `unknown parameter "genres"`, "did you mean genre? K" + known},
		{"Title=x", "Title", `unknown parameter "Title"`, "did you mean title?"},
		{"titel=x", "titel", `unknown parameter "titel"`, "did you mean title?"},
		{"yaer=1", "yaer", `unknown parameter "yaer"`, "did you mean year?"},
		{"casts", "casts", `unknown parameter "casts"`, "did you mean cast?"},
		{"limits=5", "limits", `unknown parameter "limits"`, "did you mean limit?"},
		{"%20start=5", " start", `unknown parameter " start"`, "did you mean start?"},
		{"director=x", "director", `unknown parameter "director"; k` + known, ""},
		{"%22%0A=x", "\"\n", `unknown parameter "\"\n"; k` + known, ""},
		{"limit=5&director=x", "director", `"director"`, known},
		{strings.Repeat("x", 5000) + "=1", strings.Repeat("x", 5000), "unknown parameter", known},
		// Empty names.
		{"=5", "=5", `"=5" has no name`, "expected name=value"},
		{"limit=5&=", "=", `"=" has no name`, "expected name=value"},
		// Repeated parameters that take one value.
		{"title=a&title=a", "title", "more than once", "expected it once"},
		{"year=2000&year=2001", "year", "more than once", "expected it once"},
		{"limit=5&title=x&limit=6", "limit", "more than once", "expected it once"},
		{"start=5&start=5", "start", "more than once", "expected it once"},
		{repeat("cast", maxNames+1), "cast", "more than 10 times", "10"},
		{repeat("genre", maxNames+1), "genre", "more than 10 times", "10"},
		// Numbers.
		{"limit=0", "limit", `is "0"`, limits},
		{"limit=101", "limit", `is "101"`, limits},
		{"limit=-1", "limit", `is "-1"`, limits},
		{"limit=%2B5", "limit", `is "+5"`, limits},
		{"limit=1e1", "limit", `is "1e1"`, limits},
		{"limit=5.0", "limit", `is "5.0"`, limits},
		{"limit=0x10", "limit", `is "0x10"`, limits},
		{"limit=1_0", "limit", `is "1_0"`, limits},
		{"limit=5,6", "limit", `is "5,6"`, limits},
		{"limit=4+2", "limit", `is "4 2"`, limits},
		{"limit=ten", "limit", `is "ten"`, limits},
		{"limit=%EF%BC%95", "limit", "is \"\uff15\"", limits},
		{"limit=" + strings.Repeat("9", 100), "limit", `is "999`, limits},
		{"limit=18446744073709551621", "limit", "is", limits}, // 5, modulo 2^64
		{"limit=4294967301", "limit", "is", limits},           // 5, modulo 2^32
		{"year=0", "year", `is "0"`, years},
		{"year=10000", "year", `is "10000"`, years},
		{"year=-5", "year", `is "-5"`, years},
		{"year=1e3", "year", `is "1e3"`, years},
		{"year=2015.5", "year", `is "2015.5"`, years},
		{"start=0", "start", `is "0"`, starts},
		{"start=-3", "start", `is "-3"`, starts},
		{"start=9223372036854775808", "start", `is "9223372036854775808"`, starts},
		{"start=18446744073709551617", "start", "is", starts},
		{"start=null", "start", `is "null"`, starts},
		// Blank after trimming.
		{"title", "title", "empty", "expected a value"},
		{"title=", "title", "empty", "expected a value"},
		{"limit=", "limit", "empty", "expected a value"},
		{"year=+", "year", "empty", "expected a value"},
		{"start=%09", "start", "empty", "expected a value"},
		{"genre=%20%0D%0A", "genre", "empty", "expected a value"},
		{"cast=%C2%A0%E2%80%83%E3%80%80%C2%85", "cast", "empty", "expected a value"},
		{"cast=A&cast=%E2%80%A8", "cast", "empty", "expected a value"},
		// Malformed query strings.
		{"title=a;b", "title", "a bare ;", "%3B in a value"},
		{"limit=5;start=9", "limit", "a bare ;", "expected & between parameters"},
		{";", ";", "a bare ;", "expected &"},
		{"title=100%", "title", "broken percent escape", "two hexadecimal digits after each %"},
		{"title=%zz", "title", "broken percent escape", "two hexadecimal digits"},
		{"cast=%F", "cast", "broken percent escape", "two hexadecimal digits"},
		{"%4=x", "%4", "broken percent escape", "two hexadecimal digits"},
		{"title=%FF", "title", "not valid UTF-8", "expected"},
		{"title=caf\xe9", "title", "not valid UTF-8", "expected"},
		{"title=%ED%A0%80", "title", "not valid UTF-8", "expected"}, // a surrogate
		{"genre=%C0%AF", "genre", "not valid UTF-8", "expected"},    // overlong
		{"%FF=x", "%FF", "not valid UTF-8", "expected"},
		{"\xff=x", "\uFFFD", "not valid UTF-8", "expected"},
	} {
		q, err := parseQuery(test.raw, pageParameters)
		checkParameterError(t, test.raw, err)
		var wrong *parameterError
		if !errors.As(err, &wrong) {
			continue
		}
		if wrong.parameter != test.parameter {
			t.Errorf("%q: blames %q, want %q", test.raw, wrong.parameter, test.parameter)
		}
		for _, part := range []string{test.wrong, test.right} {
			if !strings.Contains(wrong.detail, part) {
				t.Errorf("%q: %q does not say %q", test.raw, wrong.detail, part)
			}
		}
		for _, internal := range []string{"strconv", "Parse", "invalid URL", "%!"} {
			if strings.Contains(wrong.detail, internal) {
				t.Errorf("%q: %q shows %q", test.raw, wrong.detail, internal)
			}
		}
		if diff := gocmp.Diff(query{}, q, sameQuery); diff != "" {
			t.Errorf("%q: an error and a query: %s", test.raw, diff)
		}
	}
}

// checkParameterError checks the properties of every error of a query string.
func checkParameterError(t *testing.T, raw string, err error) {
	t.Helper()
	var wrong *parameterError
	if !errors.As(err, &wrong) {
		t.Errorf("%q: error is %#v, want a *parameterError", raw, err)
		return
	}
	if wrong.parameter == "" || wrong.detail == "" || err.Error() != wrong.detail {
		t.Errorf("%q: %#v says too little", raw, wrong)
	}
	if !utf8.ValidString(wrong.parameter) || !utf8.ValidString(wrong.detail) {
		t.Errorf("%q: %#v is not valid UTF-8", raw, wrong)
	}
	quoted := strings.Trim(strconv.Quote(wrong.parameter), `"`)
	if !strings.Contains(wrong.detail, quoted) {
		t.Errorf("%q: %q does not name %q", raw, wrong.detail, wrong.parameter)
	}
}

// TestFarNames: the error about a name unlike every parameter suggests none.
func TestFarNames(t *testing.T) {
	for _, name := range []string{"director", "page", "offset", "q1", "x", "x1", "sort_by", "jahr", strings.Repeat("title", 900)} {
		_, err := parseQuery(name+"=1", pageParameters)
		if err == nil || strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%.20q: %.200v", name, err)
		}
	}
}

// TestNoParameters: noParameters accepts only query strings without parameters.
func TestNoParameters(t *testing.T) {
	for _, raw := range []string{"", "&", "&&"} {
		if err := noParameters(raw); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	}
	for raw, parameter := range map[string]string{
		"x=1": "x", "&limit=5": "limit", "pretty": "pretty", "a+b=": "a b", "=": "=", "a=%": "a", "a;b": "a;b", "%FF": "%FF",
	} {
		err := noParameters(raw)
		checkParameterError(t, raw, err)
		if wrong := (*parameterError)(nil); errors.As(err, &wrong) && wrong.parameter != parameter {
			t.Errorf("%q: blames %q, want %q", raw, wrong.parameter, parameter)
		}
	}
}

// TestNext: next keeps the given parameters, cleaned, in alphabetical order.
func TestNext(t *testing.T) {
	for _, test := range []struct{ raw, want string }{
		{"", "start=11"},
		{"limit=2", "limit=2&start=11"},
		{"limit=25", "limit=25&start=11"},
		{"start=30", "start=11"},
		{"start=30&limit=2", "limit=2&start=11"},
		{"year=2001&title=The+Lion%20King&start=99", "start=11&title=The+Lion+King&year=2001"},
		{"year=1994&genre=G&limit=3&cast=B&genre=A&cast=A", "cast=B&cast=A&genre=G&genre=A&limit=3&start=11&year=1994"},
		{"cast=A&cast=A", "cast=A&cast=A&start=11"},
		{"title=%20e%CC%81%09&limit=+5", "limit=5&start=11&title=%C3%A9"},
		{"title=a%26b%3Dc%3B%2B%22%3C%5C%25", "start=11&title=a%26b%3Dc%3B%2B%22%3C%5C%25"},
	} {
		q, err := parseQuery(test.raw, pageParameters)
		if err != nil {
			t.Errorf("%q: %v", test.raw, err)
			continue
		}
		for range 2 { // next does not modify the query
			if got := q.next("11"); got != test.want {
				t.Errorf("%q: next is %q, want %q", test.raw, got, test.want)
			}
		}
	}
}

// drawn is a query and one of many ways to write it.
type drawn struct {
	query query
	raw   string
}

func drawQuery(t *rapid.T) drawn {
	text := rapid.Map(rapid.OneOf(
		rapid.SampledFrom([]string{"007", "e\u0301", "\u00e9", "a  b", "1+1", "&", "=", ";", "%", `"`, "\x00", "\u037e", "\U0001f3ac", "\uFFFD"}),
		rapid.String(),
	), movie.Clean).Filter(func(s string) bool { return s != "" })
	d := drawn{query: query{Limit: defaultLimit, Sort: movie.SortNewest}}
	var pieces []string
	give := func(name, value string) {
		encode := rapid.SampledFrom([]func(string) string{url.QueryEscape, percentAll, sparing, padded}).Draw(t, "encode")
		pieces = append(pieces, name+"="+encode(value))
	}
	number := func(name string, to *int, most int) {
		if rapid.Bool().Draw(t, name) {
			*to = rapid.IntRange(1, most).Draw(t, name)
			give(name, strconv.Itoa(*to))
		}
	}
	number("limit", &d.query.Limit, maxLimit)
	number("year", &d.query.Year, movie.MaxYear)
	start := 0
	number("start", &start, math.MaxInt64)
	d.query.Start = int64(start)
	if rapid.Bool().Draw(t, "title") {
		d.query.Title = text.Draw(t, "title")
		give("title", d.query.Title)
	}
	names := rapid.SliceOfN(text, 0, maxNames)
	d.query.Cast, d.query.Genres = names.Draw(t, "cast"), names.Draw(t, "genre")
	for _, name := range d.query.Cast {
		give("cast", name)
	}
	for _, name := range d.query.Genres {
		give("genre", name)
	}
	d.raw = strings.Join(pieces, rapid.SampledFrom([]string{"&", "&&"}).Draw(t, "between"))
	return d
}

// percentAll escapes every byte.
func percentAll(text string) string {
	var out strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&out, "%%%02x", text[i])
	}
	return out.String()
}

// sparing escapes only characters with a meaning in query strings.
func sparing(text string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", ";", "%3B", "+", "%2B").Replace(text)
}

func padded(text string) string { return "+%E2%80%83" + url.QueryEscape(text) + "%0A" }

// TestQueryProperty: the parser reads a query in every notation, and the link to the next page
// differs only in start.
func TestQueryProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawQuery(t)
		q, err := parseQuery(d.raw, pageParameters)
		if err != nil {
			t.Fatalf("%q: %v", d.raw, err)
		}
		if diff := gocmp.Diff(d.query, q, sameQuery); diff != "" {
			t.Fatalf("%q: want -, got +: %s", d.raw, diff)
		}
		start := rapid.Int64Range(1, math.MaxInt64).Draw(t, "next")
		raw := q.next(strconv.FormatInt(start, 10))
		next, err := parseQuery(raw, pageParameters)
		if err != nil {
			t.Fatalf("next %q: %v", raw, err)
		}
		want := d.query
		want.Start = start
		if diff := gocmp.Diff(want, next, sameQuery); diff != "" {
			t.Fatalf("next %q: want -, got +: %s", raw, diff)
		}
		if again := next.next(strconv.FormatInt(start, 10)); again != raw {
			t.Fatalf("the next page writes %q as %q", raw, again)
		}
		checkAlphabetical(t, raw)
	})
}

func checkAlphabetical(t *rapid.T, raw string) {
	var names []string
	for piece := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(piece, "=")
		names = append(names, name)
	}
	if !slices.IsSorted(names) {
		t.Fatalf("%q is not in alphabetical order", raw)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=2&start=11", "cast=A&cast=B&genre=%C3%A9", "title=a+b", "=", "%=%", ";", "limit=+5", "genres=x", "\xff", "title=%FF",
		"year=0", strings.Repeat("x", 40), repeat("cast", 11),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if err := noParameters(raw); err != nil {
			checkParameterError(t, raw, err)
		}
		q, err := parseQuery(raw, pageParameters)
		if err != nil {
			checkParameterError(t, raw, err)
			return
		}
		if q.Limit < 1 || q.Limit > maxLimit || q.Start < 0 || q.Year < 0 || q.Year > movie.MaxYear || len(q.Cast) > maxNames || len(q.Genres) > maxNames {
			t.Errorf("%q became %+v", raw, q)
		}
		for _, text := range slices.Concat([]string{q.Title}, q.Cast, q.Genres) {
			if movie.Clean(text) != text || !utf8.ValidString(text) {
				t.Errorf("%q: %q is not clean", raw, text)
			}
		}
		next, err := parseQuery(q.next("1"), pageParameters)
		q.Start = 1
		if diff := gocmp.Diff(q, next, sameQuery); diff != "" || err != nil {
			t.Errorf("%q: the next page differs: %v %s", raw, err, diff)
		}
	})
}

// TestParsePeople: people can be searched by movie filters and by name.
func TestParsePeople(t *testing.T) {
	for raw, want := range map[string]query{
		"":                                   {Sort: movie.SortNewest, Limit: 25},
		"name=Tom+H&limit=100":               {Sort: movie.SortNewest, Limit: 100, Name: []string{"tom", "h"}},
		"start=+O'Neil%2C+Jr.&genre_not=War": {Sort: movie.SortNewest, Limit: 25, StartName: "O'Neil, Jr.", Filter: movie.Filter{GenresNot: []string{"War"}}},
		"q=the+d&id=7&id=8":                  {Sort: movie.SortNewest, Limit: 25, Filter: movie.Filter{Words: []string{"the", "d"}, IDs: []int64{7, 8}}},
	} {
		got, err := parseQuery(raw, peopleParameters)
		if diff := gocmp.Diff(want, got, sameQuery); err != nil || diff != "" {
			t.Errorf("%q: %v, want -, got +: %s", raw, err, diff)
		}
	}
	for raw, parameter := range map[string]string{
		"name=!": "name", "name=": "name", "limit=101": "limit", "start=": "start", "start=a&start=b": "start", "sort=year": "sort", "year_from=2&year_to=1": "year_to",
		"name=" + strings.Repeat("a+", maxWords+1): "name",
	} {
		checkAtFault(t, raw, parameter, func() error { _, err := parseQuery(raw, peopleParameters); return err }())
	}
	q, err := parseQuery("start=a&name=b&limit=1&cast=c", peopleParameters)
	if next := q.next("Tom Hanks & son"); err != nil || next != "cast=c&limit=1&name=b&start=Tom+Hanks+%26+son" {
		t.Errorf("%v: the next page is %s", err, next)
	}
}

// TestParseSuggest: q is required.
func TestParseSuggest(t *testing.T) {
	for raw, want := range map[string]query{
		"q=Th":         {Sort: movie.SortNewest, Limit: 8, Filter: movie.Filter{Words: []string{"th"}}},
		"limit=20&q=a": {Sort: movie.SortNewest, Limit: 20, Filter: movie.Filter{Words: []string{"a"}}},
		"limit=8&q=a":  {Sort: movie.SortNewest, Limit: 8, Filter: movie.Filter{Words: []string{"a"}}},
	} {
		got, err := parseSuggest(raw)
		if diff := gocmp.Diff(want, got, sameQuery); err != nil || diff != "" {
			t.Errorf("%q: %v, want -, got +: %s", raw, err, diff)
		}
	}
	for raw, parameter := range map[string]string{
		"": "q", "limit=3": "q", "q=-": "q", "q=a&limit=21": "limit", "q=a&limit=0": "limit", "q=a&genre=b": "genre", "q=a&q=b": "q",
	} {
		checkAtFault(t, raw, parameter, func() error { _, err := parseSuggest(raw); return err }())
	}
	if _, err := parseQuery("limit=1", filterParameters); err == nil {
		t.Error("counts take a limit")
	}
}

func checkAtFault(t *testing.T, raw, parameter string, err error) {
	t.Helper()
	var wrong *parameterError
	if !errors.As(err, &wrong) || wrong.parameter != parameter {
		t.Errorf("%q: %v, want %s to be at fault", raw, err, parameter)
	}
}
