package index

import (
	"cmp"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// Count is a genre or a year and the number of movies that have it.
type Count struct {
	Value  string
	Year   int // set instead of Value for years
	Movies int
}

// Genres returns the genres of the matching movies, the most frequent first, and the
// number of matching movies.
func (x *Index) Genres(f movie.Filter) (found []Count, movies int) {
	all := x.matching(f)
	counts := make([]int, x.genres.n)
	x.count(all, counts, x.genres.sets, func(r record, one func(uint32)) {
		_, _, names := r.open()
		names.each(func(uint32) {}).each(one)
	})
	for genre, n := range counts {
		if n > 0 {
			found = append(found, Count{Value: x.genres.texts.at(uint32(genre)), Movies: n})
		}
	}
	slices.SortFunc(found, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Movies, a.Movies), strings.Compare(a.Value, b.Value))
	})
	return found, all.len()
}

// Years returns the years of the matching movies in order, and the number of matching
// movies.
func (x *Index) Years(f movie.Filter) (found []Count, movies int) {
	all := x.matching(f)
	var counts []int
	if n := len(x.years.list); n > 0 {
		counts = make([]int, x.years.list[n-1]+1)
	}
	x.count(all, counts, x.years.sets, func(r record, one func(uint32)) { one(uint32(r.year())) }) //nolint:gosec // 1 to 9999
	for _, year := range x.years.list {
		if n := counts[year]; n > 0 {
			found = append(found, Count{Year: year, Movies: n})
		}
	}
	return found, all.len()
}

// fewOf: if more than one in fewOf movies match, intersecting them with the set of each
// value is faster than reading their records.
const fewOf = 24

// count counts movies by value, by their records or by the sets of the values.
func (x *Index) count(all set, counts []int, sets vector[set], values func(r record, one func(uint32))) {
	if all.len()*fewOf < x.Len() {
		one := func(value uint32) { counts[value]++ }
		all.each(func(id uint32) { values(x.records.at(id), one) })
		return
	}
	for value := range counts {
		if s := sets.at(uint32(value)); s.len() > 0 {
			counts[value] = x.share(all, s)
		}
	}
}

// share returns the number of movies of all that are in s.
func (x *Index) share(all, s set) int {
	if all.many == x.all {
		return s.len()
	}
	return all.common(s)
}
