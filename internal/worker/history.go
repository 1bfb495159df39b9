package worker

import (
	"context"
	"sync"
	"time"
)

const (
	// maxHistory is how many passes are remembered.
	maxHistory = 120
	// idleEvery is the time between remembered passes that found nothing.
	idleEvery = 10 * time.Second
)

// history remembers the last passes for operators.
type history struct {
	mu     sync.Mutex
	passes []pastPass
}

// pastPass is the result of one pass, as operators see it.
type pastPass struct {
	Time       time.Time `json:"time"` // its end
	Took       float64   `json:"took_seconds"`
	Objects    int       `json:"objects"`
	Updates    int       `json:"updates"`
	Changes    int       `json:"changes"`
	Rejections int       `json:"rejections"`
	Waiting    int       `json:"waiting"`
	Failed     int       `json:"failed"`
	// Oldest is the LastModified of the oldest waiting object; null if none waits.
	Oldest *time.Time `json:"oldest_waiting"`
}

func (h *history) add(p *pass) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.passes); n > 0 && p.counts.Listed == 0 && h.passes[n-1].Objects == 0 && time.Since(h.passes[n-1].Time) < idleEvery {
		return
	}
	if len(h.passes) == maxHistory {
		h.passes = h.passes[1:]
	}
	c := p.counts
	h.passes = append(h.passes, pastPass{
		Time: time.Now().UTC(), Took: time.Since(p.start).Seconds(), Oldest: p.backlog().oldest,
		Objects: c.Listed, Updates: c.Updates, Changes: c.Changes, Rejections: c.Rejections, Waiting: c.waiting(), Failed: c.failed(),
	})
}

func (h *history) list() []pastPass {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]pastPass{}, h.passes...) // [] and not null when empty
}

// Overview returns the worker's section of /overview: its work since the start, and its last
// passes.
func (w *Worker) Overview(context.Context) (any, error) {
	now := w.Progress()
	return map[string]any{
		"shard": w.options.Shard.String(), "objects": now.Objects, "updates": now.Updates,
		"waiting_in_pass": now.Waiting, "passes": w.history.list(),
	}, nil
}
