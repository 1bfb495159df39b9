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
	for genre, n := range x.countGenres(all) {
		if n > 0 {
			found = append(found, Count{Value: x.genres.texts.at(uint32(genre)), Movies: n})
		}
	}
	slices.SortFunc(found, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Movies, a.Movies), strings.Compare(a.Value, b.Value))
	})
	return found, all.len()
}

// countGenres counts movies by genre: few movies by their names, more by intersecting them
// with the set of each genre.
func (x *Index) countGenres(all set) []int {
	counts := make([]int, x.genres.n)
	if all.len() <= x.Len()/64 {
		all.each(func(id uint32) {
			genres, _ := x.namesOf(id)
			genres.each(func(genre uint32) { counts[genre]++ })
		})
		return counts
	}
	var bits []uint64
	if !x.dense(all) {
		bits = all.bitmap().ToDense()
	}
	for genre := range counts {
		s := x.genres.sets.at(uint32(genre))
		if bits == nil || x.dense(s) {
			counts[genre] = x.share(all, s)
			continue
		}
		s.each(func(id uint32) {
			if at := int(id / 64); at < len(bits) {
				counts[genre] += int(bits[at] >> (id % 64) & 1)
			}
		})
	}
	return counts
}

// dense reports whether a set has so many of the movies that its bitmap is an array of bits,
// which is fast to intersect with any other; lists in two bitmaps are not.
func (x *Index) dense(s set) bool { return s.len() > x.Len()/16 }

// Years returns the years of the matching movies in order, and the number of matching
// movies.
func (x *Index) Years(f movie.Filter) (found []Count, movies int) {
	all := x.matching(f)
	var counts []int
	if n := len(x.years.list); n > 0 {
		counts = make([]int, x.years.list[n-1]+1)
	}
	if x.dense(all) {
		for _, year := range x.years.list {
			if !f.HasYear(year) {
				continue
			}
			counts[year] = x.share(all, x.years.set(year))
		}
	} else {
		all.each(func(id uint32) { counts[x.years.at(id)]++ })
	}
	for _, year := range x.years.list {
		if n := counts[year]; n > 0 {
			found = append(found, Count{Year: year, Movies: n})
		}
	}
	return found, all.len()
}

// within returns the movies of s that are in all.
func (x *Index) within(all, s set) set {
	if all.many == x.all {
		return s
	}
	return s.and(all, true)
}

// share returns the number of movies of all that are in s.
func (x *Index) share(all, s set) int {
	if all.many == x.all {
		return s.len()
	}
	return all.common(s)
}
