package movie

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a query.
const (
	DefaultLimit = 25
	MaxLimit     = 100
	MinYear      = 1
	MaxYear      = 9999
	// MaxRepeats is how often cast or genre may be given: each costs a join.
	MaxRepeats = 10
)

// Query is a filter and the page that is wanted of what matches.
type Query struct {
	Filter
	// Start: only ids below it; 0 begins at the highest.
	Start int64
	// Limit is the size of the page.
	Limit int
	given url.Values // cleaned, for Next
}

// ParameterError says what is wrong with a query parameter.
type ParameterError struct {
	Parameter string
	// Detail names the parameter, what is wrong, and what would be right.
	Detail string
}

func (e *ParameterError) Error() string { return e.Detail }

// parameter is one name that a query may hold.
type parameter struct {
	name    string
	repeats bool
	set     func(q *Query, value string) (wrong string)
}

var queryParameters = []parameter{
	{"cast", true, func(q *Query, v string) string { q.Cast = append(q.Cast, v); return "" }},
	{"genre", true, func(q *Query, v string) string { q.Genres = append(q.Genres, v); return "" }},
	{"limit", false, func(q *Query, v string) string { return setNumber(&q.Limit, v, 1, MaxLimit) }},
	{"start", false, func(q *Query, v string) string { return setNumber(&q.Start, v, 1, math.MaxInt64) }},
	{"title", false, func(q *Query, v string) string { q.Title = v; return "" }},
	{"year", false, func(q *Query, v string) string { return setNumber(&q.Year, v, MinYear, MaxYear) }},
}

func setNumber[T int | int64](to *T, text string, least, most T) string {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n < uint64(least) || n > uint64(most) {
		return fmt.Sprintf("is %q, expected an integer from %d to %d", text, least, most)
	}
	*to = T(n)
	return ""
}

// ParseQuery reads the query string of a request for movies. The error is a
// *ParameterError.
func ParseQuery(raw string) (Query, error) {
	q := Query{Limit: DefaultLimit, given: url.Values{}}
	pairs, err := SplitQuery(raw)
	if err != nil {
		return Query{}, err
	}
	for _, pair := range pairs {
		if err := q.set(pair[0], pair[1]); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

func (q *Query) set(name, value string) error {
	i := slices.IndexFunc(queryParameters, func(p parameter) bool { return p.name == name })
	if i < 0 {
		return unknownParameter(name, queryParameters)
	}
	p := queryParameters[i]
	wrong := func(format string, args ...any) error {
		return &ParameterError{Parameter: name, Detail: name + " " + fmt.Sprintf(format, args...)}
	}
	if !p.repeats && q.given.Has(name) {
		return wrong("is given more than once, expected it once")
	}
	if len(q.given[name]) == MaxRepeats {
		return wrong("is given more than %d times", MaxRepeats)
	}
	if value = Clean(value); value == "" {
		return wrong("is empty, expected a value or no such parameter")
	}
	if text := p.set(q, value); text != "" {
		return wrong("%s", text)
	}
	q.given.Add(name, value)
	return nil
}

// Next is the query string of the page that follows, which starts below an id:
// the parameters that were given, in alphabetical order.
func (q Query) Next(start int64) string {
	next := url.Values{"start": {strconv.FormatInt(start, 10)}}
	for name, values := range q.given {
		if name != "start" {
			next[name] = values
		}
	}
	return next.Encode()
}

// SplitQuery takes a query string apart into names and values. The error is a
// *ParameterError.
func SplitQuery(raw string) ([][2]string, error) {
	var pairs [][2]string
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(piece, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		wrong := ""
		switch {
		case rawName == "":
			rawName, wrong = piece, "has no name, expected name=value"
		case strings.Contains(piece, ";"):
			wrong = "holds a bare ;, expected & between parameters and %3B in a value"
		case err1 != nil || err2 != nil:
			wrong = "holds a broken percent escape, expected two hexadecimal digits after each %"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			wrong = "is not valid UTF-8, expected UTF-8 text or its percent escapes"
		}
		if wrong != "" {
			name := strings.ToValidUTF8(rawName, "\uFFFD")
			return nil, &ParameterError{Parameter: name, Detail: fmt.Sprintf("%q %s", name, wrong)}
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// NoParameters is the check of a request that takes none.
func NoParameters(raw string) error {
	pairs, err := SplitQuery(raw)
	if err != nil || len(pairs) == 0 {
		return err
	}
	return &ParameterError{Parameter: pairs[0][0], Detail: fmt.Sprintf("unknown parameter %q; this request takes none", pairs[0][0])}
}

func unknownParameter(name string, known []parameter) error {
	names := make([]string, len(known))
	nearest, distance := "", 3 // more than two slips are another word
	for i, p := range known {
		names[i] = p.name
		if d := slips(name, p.name); d < distance {
			nearest, distance = p.name, d
		}
	}
	advice := "; known are "
	if nearest != "" {
		advice = fmt.Sprintf(", did you mean %s? Known are ", nearest)
	}
	return &ParameterError{Parameter: name, Detail: fmt.Sprintf("unknown parameter %q", name) + advice + strings.Join(names, ", ")}
}

// slips is the number of letters to insert, drop or change between two words
// (Levenshtein's distance). Long words are not worth the work.
func slips(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
