package index

import (
	"cmp"
	"container/heap"
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
	var counts counter
	if len(words) > 0 {
		counts = x.countNamed(all, words)
	} else {
		counts = x.countAll(all)
	}
	defer counts.release()
	top := &ranking{x: x, limit: limit}
	if start != "" {
		top.start = &start
		top.startMovies = x.share(all, x.people.set(start))
		if top.startMovies == 0 { // the place of the name is unknown
			return Persons{}, ErrStart
		}
	}
	total := 0
	counts.each(func(id uint32, n int) {
		total++
		top.offer(id, n)
	})
	people, more := top.best()
	for i := range people {
		people[i].FirstYear, people[i].LastYear = x.span(all, people[i].Name)
	}
	return Persons{People: people, More: more, Total: total}, nil
}

// span returns the first and the last year of a person's matching movies.
func (x *Index) span(all set, name string) (first, last int) {
	movies := x.people.set(name)
	if all.many != x.all {
		movies = movies.and(all, true)
	}
	if movies.len() <= mostSorted {
		movies.each(func(id uint32) {
			year := x.records.at(id).year()
			if first == 0 || year < first {
				first = year
			}
			last = max(last, year)
		})
		return first, last
	}
	for _, year := range x.years.list {
		if movies.meets(x.years.sets.at(uint32(year))) { //nolint:gosec // 1 to 9999
			first = year
			break
		}
	}
	for _, year := range slices.Backward(x.years.list) {
		if movies.meets(x.years.sets.at(uint32(year))) { //nolint:gosec // 1 to 9999
			last = year
			break
		}
	}
	return first, last
}

// counter counts movies by person, for all people or for some.
type counter struct {
	all  *[]uint32
	some []ranked
}

var lists = sync.Pool{New: func() any { return new([]uint32) }}

func (c counter) release() {
	if c.all != nil {
		lists.Put(c.all)
	}
}

func (c counter) each(do func(id uint32, n int)) {
	for _, r := range c.some {
		do(r.id, r.movies)
	}
	if c.all == nil {
		return
	}
	for id, n := range *c.all {
		if n > 0 {
			do(uint32(id), int(n))
		}
	}
}

// countNamed counts the movies of the people whose names have the words.
func (x *Index) countNamed(all set, words []string) (c counter) {
	x.named(words).each(func(person uint32) {
		if n := x.share(all, x.people.sets.at(person)); n > 0 {
			c.some = append(c.some, ranked{person, n})
		}
	})
	return c
}

// named returns the people whose names have the words, the last one as a prefix.
func (x *Index) named(words []string) set {
	var found set
	for i, word := range words {
		var s set
		if i < len(words)-1 {
			s = x.peopleWords.set(word)
		} else {
			var sets []set
			for w := range x.peopleWords.withPrefix(word) {
				sets = append(sets, x.peopleWords.sets.at(w))
			}
			if len(sets) > 0 {
				s = union(sets)
			}
		}
		if i > 0 {
			s = found.and(s, true)
		}
		found = s
	}
	return found
}

// countAll counts the movies of all people. It goes through the matching movies or, if
// these are more than half, through the others.
func (x *Index) countAll(all set) counter {
	list, _ := lists.Get().(*[]uint32)
	n := int(x.people.n)
	*list = slices.Grow((*list)[:0], n)[:n]
	clear(*list)
	counts := *list
	one, through := uint32(1), all
	if 2*all.len() > x.Len() {
		for id := range x.people.n {
			counts[id] = uint32(x.people.sets.at(id).len()) //nolint:gosec // below 2^32
		}
		one, through = ^uint32(0), set{many: x.all}.and(all, false) // -1
	}
	through.each(func(id uint32) {
		_, _, names := x.records.at(id).open()
		names.each(func(person uint32) { counts[person] += one })
	})
	return counter{all: list}
}

// ranking collects the people with the most movies after a start.
type ranking struct {
	x           *Index
	limit       int
	start       *string
	startMovies int
	kept        []ranked // a heap with the last of them on top
}

type ranked struct {
	id     uint32
	movies int
}

func (r *ranking) name(id uint32) string { return r.x.people.texts.at(id) }

func (r *ranking) Len() int           { return len(r.kept) }
func (r *ranking) Swap(i, j int)      { r.kept[i], r.kept[j] = r.kept[j], r.kept[i] }
func (r *ranking) Less(i, j int) bool { return r.compare(r.kept[i], r.kept[j]) > 0 }
func (r *ranking) Push(v any)         { r.kept = append(r.kept, v.(ranked)) } //nolint:forcetypeassert // offer's

// Pop implements heap.Interface.
func (r *ranking) Pop() any {
	last := r.kept[len(r.kept)-1]
	r.kept = r.kept[:len(r.kept)-1]
	return last
}

func (r *ranking) compare(a, b ranked) int {
	if a.movies != b.movies {
		return cmp.Compare(b.movies, a.movies)
	}
	return strings.Compare(r.name(a.id), r.name(b.id))
}

// offer considers a person. It collects one more than the limit, which shows that there
// are more.
func (r *ranking) offer(id uint32, movies int) {
	if r.start != nil {
		if c := cmp.Compare(r.startMovies, movies); c < 0 || c == 0 && r.name(id) <= *r.start {
			return
		}
	}
	next := ranked{id, movies}
	switch {
	case len(r.kept) <= r.limit:
		heap.Push(r, next)
	case r.compare(next, r.kept[0]) < 0:
		r.kept[0] = next
		heap.Fix(r, 0)
	}
}

func (r *ranking) best() (people []Person, more bool) {
	slices.SortFunc(r.kept, r.compare)
	if more = len(r.kept) > r.limit; more {
		r.kept = r.kept[:r.limit]
	}
	for _, k := range r.kept {
		people = append(people, Person{Name: r.name(k.id), Movies: k.movies})
	}
	return people, more
}
