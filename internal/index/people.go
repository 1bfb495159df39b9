package index

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"jpmovies/internal/movie"
)

// Person is a person's name and their movies.
type Person struct {
	Name                string
	Movies              int
	FirstYear, LastYear int
}

// Persons is a page of people.
type Persons struct {
	People []Person
	// More reports that others follow.
	More bool
	// Total is the number of matching people.
	Total int
}

// People returns up to limit people of the matching movies, those with the most movies
// first, then by name. The page begins after the name start; empty begins at the first.
// words are words of the name, the last one as a prefix. It returns ErrStart when no
// matching movie has the name start.
func (x *Index) People(f movie.Filter, words []string, start string, limit int) (Persons, error) {
	all := x.matching(f)
	top := newRanking(&x.people, limit)
	if start != "" {
		top.start = &start
		top.startMovies = x.share(all, x.people.set(start))
		if top.startMovies == 0 { // the place of the name is unknown
			return Persons{}, ErrStart
		}
	}
	total := 0
	count := func(person uint32, movies int) {
		if movies > 0 {
			total++
			top.offer(person, movies)
		}
	}
	if len(words) > 0 {
		x.named(words).each(func(person uint32) { count(person, x.moviesOf(person, all)) })
	} else {
		x.countAll(all, count)
	}
	people, more := top.best()
	for i := range people {
		people[i].FirstYear, people[i].LastYear = x.span(all, people[i].Name)
	}
	return Persons{People: people, More: more, Total: total}, nil
}

// moviesOf returns how many movies of all a person has.
func (x *Index) moviesOf(person uint32, all set) int {
	if all.many == x.all {
		return int(x.people.counts.at(person))
	}
	return all.common(x.people.sets.at(person))
}

// span returns the first and the last year of a person's matching movies.
func (x *Index) span(all set, name string) (first, last int) {
	movies := x.within(all, x.people.set(name))
	if movies.len() <= mostSorted {
		movies.each(func(id uint32) {
			year := x.years.at(id)
			if first == 0 || year < first {
				first = year
			}
			last = max(last, year)
		})
		return first, last
	}
	for _, year := range x.years.list {
		if movies.meets(x.years.set(year)) {
			first = year
			break
		}
	}
	for _, year := range slices.Backward(x.years.list) {
		if movies.meets(x.years.set(year)) {
			last = year
			break
		}
	}
	return first, last
}

// named returns the people whose names have the words, the last one as a prefix.
func (x *Index) named(words []string) set {
	var found set
	for i, word := range words {
		s := x.people.words.set(word)
		if i == len(words)-1 {
			s = x.people.words.beginning(word)
		}
		if i > 0 {
			s = found.and(s, true)
		}
		found = s
	}
	return found
}

// countAll calls do with every person and how many movies of all they have.
func (x *Index) countAll(all set, do func(person uint32, movies int)) {
	list, _ := counters.Get().(*[]int32)
	defer counters.Put(list)
	n := int(x.people.n)
	*list = slices.Grow((*list)[:0], n)[:n]
	clear(*list)
	counts := *list
	through, one := x.fewer(all)
	if one < 0 {
		for id := range x.people.n {
			counts[id] = int32(x.people.counts.at(id)) //nolint:gosec // below 2^31
		}
	}
	through.each(func(id uint32) {
		_, cast := x.namesOf(id)
		cast.each(func(person uint32) { counts[person] += int32(one) }) //nolint:gosec // 1 or -1
	})
	for person, movies := range counts {
		do(uint32(person), int(movies))
	}
}

// fewer returns the movies to count one by one: the matching ones, 1 each; or, if these are
// more than half, the others, -1 each, which the caller adds to the counts of all movies.
func (x *Index) fewer(all set) (through set, one int) {
	if 2*all.len() <= x.Len() {
		return all, 1
	}
	return set{many: x.all}.and(all, false), -1
}

// counters holds lists of one counter for each person.
var counters = sync.Pool{New: func() any { return new([]int32) }}

// ranking collects the names with the most movies after a start.
type ranking struct {
	of          *lexicon
	limit       int
	start       *string
	startMovies int
	top         top[ranked]
}

type ranked struct {
	id     uint32
	movies int
}

// newRanking returns a ranking of one name more than the limit, who shows that there are
// more.
func newRanking(of *lexicon, limit int) *ranking {
	return &ranking{of: of, limit: limit, top: top[ranked]{most: limit + 1, compare: func(a, b ranked) int {
		if a.movies != b.movies {
			return cmp.Compare(b.movies, a.movies)
		}
		return strings.Compare(of.texts.at(a.id), of.texts.at(b.id))
	}}}
}

// offer considers a name.
func (r *ranking) offer(id uint32, movies int) {
	if kept := r.top.kept; len(kept) == r.top.most && movies < kept[0].movies { // nearly all names
		return
	}
	if r.start != nil {
		if c := cmp.Compare(r.startMovies, movies); c < 0 || c == 0 && r.of.texts.at(id) <= *r.start {
			return
		}
	}
	r.top.offer(ranked{id, movies})
}

func (r *ranking) best() (people []Person, more bool) {
	best := r.top.sorted()
	if more = len(best) > r.limit; more {
		best = best[:r.limit]
	}
	for _, p := range best {
		people = append(people, Person{Name: r.of.texts.at(p.id), Movies: p.movies})
	}
	return people, more
}
