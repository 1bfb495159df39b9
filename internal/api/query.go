package api

import (
	"fmt"
	"math"
	"net/url"
	"slices"

	"jpmovies/internal/movie"
)

// Limits of queries. maxNames is how often a parameter that takes names may be given,
// maxIDs how often id.
const (
	defaultLimit       = 25
	maxLimit           = 100
	maxNames           = 10
	maxIDs             = 100
	maxWords           = 64
	defaultSuggestions = 8
	maxSuggestions     = 20
)

// query is a filter and a page of the movies, or of the people in them, that match it.
type query struct {
	movie.Filter
	Sort movie.Sort
	// Start is the id that the page begins after; 0 is the first page.
	Start int64
	// Limit is the size of the page.
	Limit int
	// Name holds words of people's names, the last one as a prefix. StartName is the
	// name that a page of people begins after.
	Name      []string
	StartName string
	given     url.Values // cleaned, for next and key
}

var filterParameters = []parameter[query]{
	namesParameter("cast", func(q *query) *[]string { return &q.Cast }), namesParameter("cast_any", func(q *query) *[]string { return &q.CastAny }),
	namesParameter("cast_not", func(q *query) *[]string { return &q.CastNot }),
	namesParameter("genre", func(q *query) *[]string { return &q.Genres }), namesParameter("genre_any", func(q *query) *[]string { return &q.GenresAny }),
	namesParameter("genre_not", func(q *query) *[]string { return &q.GenresNot }),
	{name: "id", repeats: maxIDs, set: func(q *query, v string) string {
		var id int64
		wrong := setNumber(&id, v, 1, math.MaxInt64)
		q.IDs = append(q.IDs, id)
		return wrong
	}},
	wordsParameter("q", func(q *query) *[]string { return &q.Words }),
	{name: "title", set: func(q *query, v string) string { q.Title = v; return "" }},
	yearParameter("year", func(q *query) *int { return &q.Year }),
	yearParameter("year_from", func(q *query) *int { return &q.YearFrom }), yearParameter("year_to", func(q *query) *int { return &q.YearTo }),
}

var pageParameters = append(slices.Clone(filterParameters), limitParameter(maxLimit),
	parameter[query]{name: "sort", set: setSort},
	parameter[query]{name: "start", set: func(q *query, v string) string { return setNumber(&q.Start, v, 1, math.MaxInt64) }},
)

var peopleParameters = append(slices.Clone(filterParameters), limitParameter(maxLimit),
	wordsParameter("name", func(q *query) *[]string { return &q.Name }),
	parameter[query]{name: "start", set: func(q *query, v string) string { q.StartName = v; return "" }},
)

var suggestParameters = []parameter[query]{
	limitParameter(maxSuggestions), wordsParameter("q", func(q *query) *[]string { return &q.Words }),
}

func namesParameter(name string, field func(*query) *[]string) parameter[query] {
	return parameter[query]{name: name, repeats: maxNames, set: func(q *query, v string) string {
		*field(q) = append(*field(q), v)
		return ""
	}}
}

func yearParameter(name string, field func(*query) *int) parameter[query] {
	return parameter[query]{name: name, set: func(q *query, v string) string { return setNumber(field(q), v, movie.MinYear, movie.MaxYear) }}
}

func limitParameter(most int) parameter[query] {
	return parameter[query]{name: "limit", set: func(q *query, v string) string { return setNumber(&q.Limit, v, 1, most) }}
}

func wordsParameter(name string, field func(*query) *[]string) parameter[query] {
	return parameter[query]{name: name, set: func(q *query, value string) string {
		words := movie.Words(value)
		switch *field(q) = words; {
		case len(words) == 0:
			return fmt.Sprintf("is %q, expected at least one word of letters or digits", value)
		case len(words) > maxWords:
			return fmt.Sprintf("holds %d words, expected at most %d", len(words), maxWords)
		}
		return ""
	}}
}

var sorts = []movie.Sort{movie.SortNewest, movie.SortLastYear, movie.SortMatch, movie.SortTitle, movie.SortYear}

func setSort(q *query, value string) string {
	q.Sort = movie.Sort(value)
	if !slices.Contains(sorts, q.Sort) {
		return fmt.Sprintf("is %q, expected -id, -year, match, title or year", value)
	}
	return ""
}

// ParseFilter reads the filters of a query string. The error names the parameter at
// fault.
func ParseFilter(raw string) (movie.Filter, error) {
	q, err := parseQuery(raw, filterParameters)
	return q.Filter, err
}

// parseSuggest reads the query string of /suggest. The error is a *parameterError.
func parseSuggest(raw string) (query, error) {
	q, err := parseQuery(raw, suggestParameters)
	switch {
	case err != nil:
		return query{}, err
	case len(q.Words) == 0:
		return query{}, &parameterError{parameter: "q", detail: "q is missing, expected what somebody has typed"}
	case q.given["limit"] == nil:
		q.Limit = defaultSuggestions
	}
	return q, nil
}

// parseQuery reads a query string and checks the conditions that concern several
// parameters. The error is a *parameterError.
func parseQuery(raw string, known []parameter[query]) (query, error) {
	q := query{Limit: defaultLimit, Sort: movie.SortNewest}
	given, err := parse(raw, known, &q)
	if err != nil {
		return query{}, err
	}
	if q.YearTo != 0 && q.YearTo < q.YearFrom {
		return query{}, &parameterError{
			parameter: "year_to",
			detail:    fmt.Sprintf("year_to is %d, which is before year_from, %d", q.YearTo, q.YearFrom),
		}
	}
	if q.Sort == movie.SortMatch && len(q.Words) == 0 {
		return query{}, &parameterError{parameter: "sort", detail: "sort is match, which needs words to match: give q, too"}
	}
	q.given = given
	return q, nil
}

// next returns the query string of the following page, which begins after a movie's id
// or a person's name: the given parameters in alphabetical order.
func (q query) next(start string) string {
	next := url.Values{"start": {start}}
	for name, values := range q.given {
		if name != "start" {
			next[name] = values
		}
	}
	return next.Encode()
}

// key is equal for query strings that differ only in the order of their parameters, in
// escapes, or in white space around values.
func (q query) key() string { return q.given.Encode() }
