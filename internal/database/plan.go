package database

import (
	"fmt"
	"maps"

	"jpmovies/internal/movie"
)

// plan is what a batch does to the rows that were locked for it.
type plan struct {
	steps []step
}

// step takes one movie from what its row holds to what it becomes. Movies of
// which nothing is new have none.
type step struct {
	id            int64 // 0 until a new movie is inserted
	before, after movie.Record
	beginnings    movie.Beginnings // of the title's words, once they are needed
}

func (s *step) titleBeginnings() movie.Beginnings {
	if s.beginnings == 0 {
		s.beginnings = movie.BeginningsOf(movie.Words(s.after.Title))
	}
	return s.beginnings
}

func newPlan(records []movie.Record, known map[movie.Identity]row) *plan {
	p := &plan{steps: make([]step, 0, len(records))}
	for _, record := range records {
		r, found := known[record.Identity]
		if !found {
			p.steps = append(p.steps, step{after: record})
			continue
		}
		after := movie.Merge(r.record, record)
		if after.SameStamps(r.record) && after.Shows(r.record) {
			continue
		}
		p.steps = append(p.steps, step{id: r.id, before: r.record, after: after})
	}
	return p
}

// change is a movie that readers will see differently.
type change struct {
	id       int64
	identity movie.Identity
	what     movie.Changed
}

// changed are the changes, in the order of their revisions.
func (p *plan) changed() []change {
	var all []change
	for _, s := range p.steps {
		if !s.after.Shows(s.before) {
			all = append(all, change{s.id, s.after.Identity, movie.Difference(s.before, s.after)})
		}
	}
	return all
}

// movies is by how many the number of visible movies grows.
func (p *plan) movies() int {
	n := 0
	for _, s := range p.steps {
		switch {
		case s.after.Visible() && !s.before.Visible():
			n++
		case !s.after.Visible() && s.before.Visible():
			n--
		}
	}
	return n
}

// facet is a value of a kind, whose number of visible movies changes.
type facet struct{ kind, value string }

// Kinds of facets.
const (
	genreFacet = "genre"
	yearFacet  = "year"
)

// yearValue is a year as a facet's value: its bytes are in the order of years.
func yearValue(year int) string { return fmt.Sprintf("%04d", year) }

// facets is by how many movies each facet's number grows.
func (p *plan) facets() map[facet]int {
	grows := make(map[facet]int)
	for _, s := range p.steps {
		for _, genre := range s.before.Genres.List {
			grows[facet{genreFacet, genre}]--
		}
		for _, genre := range s.after.Genres.List {
			grows[facet{genreFacet, genre}]++
		}
		if s.before.Visible() {
			grows[facet{yearFacet, yearValue(s.before.Year)}]--
		}
		if s.after.Visible() {
			grows[facet{yearFacet, yearValue(s.after.Year)}]++
		}
	}
	maps.DeleteFunc(grows, func(_ facet, n int) bool { return n == 0 })
	return grows
}
