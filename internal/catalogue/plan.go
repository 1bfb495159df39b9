package catalogue

import "jpmovies/internal/movie"

// plan holds the effects of a batch on the locked rows.
type plan struct {
	steps []step
}

// step changes one movie's row. Movies without news have none.
type step struct {
	id            int64 // 0 until a new movie is inserted
	before, after movie.Record
	intact        bool // see row
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
		if after.SameStamps(r.record) && after.ShowsSame(r.record) {
			continue
		}
		p.steps = append(p.steps, step{id: r.id, before: r.record, after: after, intact: r.intact})
	}
	return p
}

// change is a change that readers will see.
type change struct {
	id       int64
	identity movie.Identity
	what     movie.Changed
}

// changed returns the changes in the order of their revisions.
func (p *plan) changed() []change {
	var all []change
	for _, s := range p.steps {
		if !s.after.ShowsSame(s.before) {
			all = append(all, change{s.id, s.after.Identity, movie.Difference(s.before, s.after)})
		}
	}
	return all
}

// growth returns the growth of the number of visible movies.
func (p *plan) growth() int {
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
