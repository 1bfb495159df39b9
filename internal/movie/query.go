package movie

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
)

// Limits of a query.
const (
	DefaultLimit = 25
	MaxLimit     = 100
	MinYear      = 1
	MaxYear      = 9999
	// MaxRepeats is how often a name may be given, MaxIDs how often id, and MaxWords how
	// many words q may hold.
	MaxRepeats = 10
	MaxIDs     = 100
	MaxWords   = 64
	// DefaultSuggestions and MaxSuggestions are limits of suggestions.
	DefaultSuggestions = 8
	MaxSuggestions     = 20
)

// Query is a filter and the page that is wanted of what matches: of the movies, or of
// the people in them.
type Query struct {
	Filter
	Sort Sort
	// Start is the id behind which the page begins in that order; 0 begins at the first.
	Start int64
	// Limit is the size of the page.
	Limit int
	// Name holds the words that the names of people must have, the last one as a prefix,
	// and StartName is the name behind which their page begins; empty for any.
	Name      []string
	StartName string
	given     url.Values // cleaned, for Next
}

var filterParameters = []Parameter[Query]{
	names("cast", func(q *Query) *[]string { return &q.Cast }), names("cast_any", func(q *Query) *[]string { return &q.CastAny }),
	names("cast_not", func(q *Query) *[]string { return &q.CastNot }),
	names("genre", func(q *Query) *[]string { return &q.Genres }), names("genre_any", func(q *Query) *[]string { return &q.GenresAny }),
	names("genre_not", func(q *Query) *[]string { return &q.GenresNot }),
	{Name: "id", Repeats: MaxIDs, Set: func(q *Query, v string) string {
		var id int64
		wrong := SetNumber(&id, v, 1, math.MaxInt64)
		q.IDs = append(q.IDs, id)
		return wrong
	}},
	wordsOf("q", func(q *Query) *[]string { return &q.Words }),
	{Name: "title", Set: func(q *Query, v string) string { q.Title = v; return "" }},
	{Name: "year", Set: func(q *Query, v string) string { return SetNumber(&q.Year, v, MinYear, MaxYear) }},
	{Name: "year_from", Set: func(q *Query, v string) string { return SetNumber(&q.YearFrom, v, MinYear, MaxYear) }},
	{Name: "year_to", Set: func(q *Query, v string) string { return SetNumber(&q.YearTo, v, MinYear, MaxYear) }},
}

// names is a parameter that takes names, up to MaxRepeats of them.
func names(name string, of func(*Query) *[]string) Parameter[Query] {
	return Parameter[Query]{Name: name, Repeats: MaxRepeats, Set: func(q *Query, v string) string {
		*of(q) = append(*of(q), v)
		return ""
	}}
}

var pageParameters = append(slices.Clone(filterParameters), limitParameter(MaxLimit),
	Parameter[Query]{Name: "sort", Set: setSort},
	Parameter[Query]{Name: "start", Set: func(q *Query, v string) string { return SetNumber(&q.Start, v, 1, math.MaxInt64) }},
)

var peopleParameters = append(slices.Clone(filterParameters), limitParameter(MaxLimit),
	wordsOf("name", func(q *Query) *[]string { return &q.Name }),
	Parameter[Query]{Name: "start", Set: func(q *Query, v string) string { q.StartName = v; return "" }},
)

var suggestParameters = []Parameter[Query]{
	limitParameter(MaxSuggestions), wordsOf("q", func(q *Query) *[]string { return &q.Words }),
}

func limitParameter(most int) Parameter[Query] {
	return Parameter[Query]{Name: "limit", Set: func(q *Query, v string) string { return SetNumber(&q.Limit, v, 1, most) }}
}

// wordsOf is a parameter that takes words, up to MaxWords of them.
func wordsOf(name string, of func(*Query) *[]string) Parameter[Query] {
	return Parameter[Query]{Name: name, Set: func(q *Query, value string) string {
		words := Words(value)
		switch *of(q) = words; {
		case len(words) == 0:
			return fmt.Sprintf("is %q, expected at least one word of letters or digits", value)
		case len(words) > MaxWords:
			return fmt.Sprintf("holds %d words, expected at most %d", len(words), MaxWords)
		}
		return ""
	}}
}

// sorts are the orders that can be asked for.
var sorts = []Sort{SortNewest, SortLastYear, SortMatch, SortTitle, SortYear}

func setSort(q *Query, value string) string {
	q.Sort = Sort(value)
	if !slices.Contains(sorts, q.Sort) {
		return fmt.Sprintf("is %q, expected -id, -year, match, title or year", value)
	}
	return ""
}

// SetNumber reads a number that is at least least and at most most, or says what
// is wrong with the text.
func SetNumber[T int | int64](to *T, text string, least, most T) (wrong string) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n < uint64(least) || n > uint64(most) {
		return fmt.Sprintf("is %q, expected an integer from %d to %d", text, least, most)
	}
	*to = T(n)
	return ""
}

// ParseQuery reads the query string of a request for a page of movies. The
// error is a *ParameterError.
func ParseQuery(raw string) (Query, error) { return parseQuery(raw, pageParameters) }

// ParseFilter reads the query string of a request for all movies that match,
// which may hold more parameters. The error is a *ParameterError.
func ParseFilter(raw string, more ...Parameter[Query]) (Filter, error) {
	q, err := parseQuery(raw, append(slices.Clone(filterParameters), more...))
	return q.Filter, err
}

// ParseCounts reads the query string of a request for numbers of movies, which takes
// filters alone. The error is a *ParameterError.
func ParseCounts(raw string) (Query, error) { return parseQuery(raw, filterParameters) }

// ParsePeople reads the query string of a request for a page of people. The error is a
// *ParameterError.
func ParsePeople(raw string) (Query, error) { return parseQuery(raw, peopleParameters) }

// ParseSuggest reads the query string of a request for suggestions. The error is a
// *ParameterError.
func ParseSuggest(raw string) (Query, error) {
	q, err := parseQuery(raw, suggestParameters)
	switch {
	case err != nil:
		return Query{}, err
	case len(q.Words) == 0:
		return Query{}, &ParameterError{Parameter: "q", Detail: "q is missing, expected what somebody has typed"}
	case q.given["limit"] == nil:
		q.Limit = DefaultSuggestions
	}
	return q, nil
}

func parseQuery(raw string, known []Parameter[Query]) (Query, error) {
	q := Query{Limit: DefaultLimit, Sort: SortNewest}
	given, err := Parse(raw, known, &q)
	if err != nil {
		return Query{}, err
	}
	if q.YearTo != 0 && q.YearTo < q.YearFrom {
		return Query{}, &ParameterError{
			Parameter: "year_to",
			Detail:    fmt.Sprintf("year_to is %d, which is before year_from, %d", q.YearTo, q.YearFrom),
		}
	}
	if q.Sort == SortMatch && len(q.Words) == 0 {
		return Query{}, &ParameterError{Parameter: "sort", Detail: "sort is match, which needs words to match: give q, too"}
	}
	q.given = given
	return q, nil
}

// Next is the query string of the page that follows, which starts behind a movie's id
// or a name: the parameters that were given, in alphabetical order.
func (q Query) Next(start string) string {
	next := url.Values{"start": {start}}
	for name, values := range q.given {
		if name != "start" {
			next[name] = values
		}
	}
	return next.Encode()
}

// Key is the same for all query strings that ask for the same.
func (q Query) Key() string { return q.given.Encode() }
