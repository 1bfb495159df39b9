package index

import (
	"cmp"
	"math"
	"slices"

	"jpmovies/internal/movie"
)

// matching returns the movies that match a filter. The caller must not change the set.
func (x *Index) matching(f movie.Filter) set {
	all := set{many: x.all}
	wanted := x.wanted(f)
	if len(wanted) == 0 {
		wanted = append(wanted, all)
	}
	slices.SortStableFunc(wanted, func(a, b set) int { return cmp.Compare(a.len(), b.len()) })
	found := wanted[0]
	for _, s := range wanted[1:] {
		found = found.and(s, true)
	}
	for _, s := range x.unwanted(f) {
		found = found.and(s, false)
	}
	return found
}

// wanted returns sets that must all hold a movie.
func (x *Index) wanted(f movie.Filter) (wanted []set) {
	if len(f.IDs) > 0 {
		wanted = append(wanted, x.those(f.IDs))
	}
	if f.Title != "" {
		wanted = append(wanted, x.titled(f.Title))
	}
	if f.Year != 0 {
		wanted = append(wanted, x.years.set(f.Year))
	}
	if from, to := max(f.YearFrom, movie.MinYear), min(cmp.Or(f.YearTo, movie.MaxYear), movie.MaxYear); !x.years.all(from, to) {
		wanted = append(wanted, x.years.between(from, to))
	}
	for _, of := range []struct {
		all, some []string
		in        *dictionary
	}{{f.Cast, f.CastAny, &x.people.dictionary}, {f.Genres, f.GenresAny, &x.genres.dictionary}} {
		for _, name := range of.all {
			wanted = append(wanted, of.in.set(name))
		}
		if len(of.some) > 0 {
			wanted = append(wanted, union(of.in.setsOf(of.some)))
		}
	}
	if n := len(f.Words); n > 0 {
		for _, word := range f.Words[:n-1] {
			wanted = append(wanted, x.words.set(word))
		}
		wanted = append(wanted, x.words.beginning(f.Words[n-1]))
	}
	return wanted
}

// unwanted returns sets that must not hold a movie.
func (x *Index) unwanted(f movie.Filter) []set {
	return append(x.people.setsOf(f.CastNot), x.genres.setsOf(f.GenresNot)...)
}

func (d *dictionary) setsOf(texts []string) []set {
	sets := make([]set, len(texts))
	for i, text := range texts {
		sets[i] = d.set(text)
	}
	return sets
}

func (x *Index) those(ids []int64) set {
	few := make([]uint32, 0, len(ids))
	for _, id := range ids {
		if id <= math.MaxUint32 && x.visible(id) {
			few = append(few, uint32(id)) //nolint:gosec // just checked
		}
	}
	slices.Sort(few)
	return set{few: slices.Compact(few)}
}

// titled returns the movies with exactly that title.
func (x *Index) titled(title string) set {
	few := slices.DeleteFunc(x.titles.withKey(movie.TitleKey(title)), func(id uint32) bool { return x.titles.title(id) != title })
	slices.Sort(few)
	return set{few: few}
}
