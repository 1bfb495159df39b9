package catalogue

import "jpmovies/internal/movie"

// plan is what a batch does to the rows that were locked for it.
type plan struct {
	steps []step
}

// step takes one movie from what its row holds to what it becomes. Movies of
// which nothing is new have none.
type step struct {
	id            int64 // 0 until a new movie is inserted
	before, after movie.Record
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
