package worker

import (
	"sync"
	"time"

	"jpmovies/internal/bucket"
)

// rests holds the generations that have failed, so that each is tried again after growing
// pauses, however quickly passes follow each other. It forgets all of them when it holds
// counterLimit. It is safe for concurrent use.
type rests struct {
	mu sync.Mutex
	of map[bucket.Ref]rest
}

type rest struct {
	pause time.Duration
	until time.Time
}

// begin begins the next pause of a generation: twice the last one, from least to most. It is
// over after half of that, so that passes that make no progress, whose pauses grow alike, leave
// nothing out.
func (r *rests) begin(ref bucket.Ref, least, most time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.of[ref]
	now := time.Now()
	switch {
	case now.Before(last.until): // it has failed more than once in one pass
		return
	case now.Sub(last.until) > 10*most: // it was well meanwhile; a GET that hangs takes a minute
		last.pause = 0
	}
	if r.of == nil || len(r.of) == counterLimit && !known {
		r.of = make(map[bucket.Ref]rest)
	}
	pause := min(max(2*last.pause, least), most)
	r.of[ref] = rest{pause, now.Add(jitter(pause) / 2)}
}

// has reports whether the pause of a generation lasts.
func (r *rests) has(ref bucket.Ref) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.of[ref].until)
}

// rest lets a generation that has failed rest.
func (p *pass) rest(ref bucket.Ref) {
	p.worker.rests.begin(ref, p.worker.options.IdleMin, p.worker.options.IdleMax)
}
