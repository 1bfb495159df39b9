package movie

import "slices"

// Filter selects the movies for which all of its conditions hold. Texts match by exact
// bytes and are clean (see [Clean]).
type Filter struct {
	// IDs: the movie has one of these ids; empty for every movie.
	IDs   []int64
	Title string
	// Year is 0 for every year.
	Year int
	// Cast and Genres: the movie has all of these names.
	Cast, Genres []string
	// CastAny and GenresAny: it has at least one of these; empty for no condition.
	CastAny, GenresAny []string
	// CastNot and GenresNot: it has none of these.
	CastNot, GenresNot []string
	// YearFrom and YearTo bound the year, both included; 0 for no bound.
	YearFrom, YearTo int
	// Words are folded (see [Words]); the title has all of them, the last one as
	// a prefix.
	Words []string
}

// Matches reports whether a movie matches. It defines what each condition means.
func (f Filter) Matches(id int64, m Movie) bool {
	switch {
	case len(f.IDs) > 0 && !slices.Contains(f.IDs, id), f.Title != "" && f.Title != m.Title, !f.HasYear(m.Year):
		return false
	}
	return matchNames(m.Cast, f.Cast, f.CastAny, f.CastNot) && matchNames(m.Genres, f.Genres, f.GenresAny, f.GenresNot) &&
		hasWords(m.Title, f.Words)
}

// HasYear reports whether movies of a year can match.
func (f Filter) HasYear(year int) bool {
	return (f.Year == 0 || f.Year == year) && year >= f.YearFrom && (f.YearTo == 0 || year <= f.YearTo)
}

// Simple reports whether a page of SQL can answer the filter: it has no condition that
// needs the index. Exports, which always use SQL, take every filter.
func (f Filter) Simple() bool {
	return len(f.IDs)+len(f.CastAny)+len(f.GenresAny)+len(f.CastNot)+len(f.GenresNot)+len(f.Words) == 0
}

func matchNames(names, all, some, none []string) bool {
	has := func(name string) bool { return slices.Contains(names, name) }
	return containsAll(names, all) && (len(some) == 0 || slices.ContainsFunc(some, has)) && !slices.ContainsFunc(none, has)
}

func containsAll(names, wanted []string) bool {
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			return false
		}
	}
	return true
}

// Sort is an order of movies.
type Sort string

// The orders of movies. Equal movies are ordered by id, the highest first.
const (
	SortNewest   Sort = "-id" // the highest id first
	SortLastYear Sort = "-year"
	SortYear     Sort = "year"
	SortTitle    Sort = "title" // by [TitleKey]
	// SortMatch orders titles by their [Match] with the words that are looked for.
	SortMatch Sort = "match"
)

// Match is how well a title fits the words that are looked for. Lower is better.
type Match int

// The matches of a title that has all words.
const (
	MatchSame   Match = iota // it has the same words and no others
	MatchWhole               // it has the last one whole
	MatchPrefix              // it has the last one as a prefix
)

// Match returns how well a title fits. The title must match the filter.
func (f Filter) Match(title string) Match {
	words := Words(title)
	switch {
	case slices.Equal(words, f.Words):
		return MatchSame
	case len(f.Words) > 0 && slices.Contains(words, f.Words[len(f.Words)-1]):
		return MatchWhole
	}
	return MatchPrefix
}
