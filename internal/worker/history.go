package worker

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// keptPasses is how many passes are remembered: those of the last minutes.
const keptPasses = 120

// history remembers the last passes, for operators.
type history struct {
	mu     sync.Mutex
	passes []shownPass
}

// idlePasses: of passes that found nothing, one in so much time is enough.
const idlePasses = 10 * time.Second

// shownPass is a pass as operators see it.
type shownPass struct {
	Time       time.Time `json:"time"` // its end
	Took       float64   `json:"took_seconds"`
	Objects    int       `json:"objects"`
	Updates    int       `json:"updates"`
	Changes    int       `json:"changes"`
	Rejections int       `json:"rejections"`
	Waiting    int       `json:"waiting"`
	Failed     int       `json:"failed"`
	// Oldest is the LastModified of the oldest object that waits; null when none does.
	Oldest *time.Time `json:"oldest_waiting"`
}

func (h *history) add(p *pass) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.passes); n > 0 && p.Listed == 0 && h.passes[n-1].Objects == 0 && time.Since(h.passes[n-1].Time) < idlePasses {
		return
	}
	if len(h.passes) == keptPasses {
		h.passes = h.passes[1:]
	}
	_, oldest := p.backlog()
	h.passes = append(h.passes, shownPass{
		Oldest: oldest, Time: time.Now().UTC(), Took: time.Since(p.start).Seconds(),
		Objects: p.Listed, Updates: p.Updates, Changes: p.Changes, Rejections: p.Rejections, Waiting: p.Waiting(), Failed: p.Failed(),
	})
}

func (h *history) list() []shownPass {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]shownPass{}, h.passes...) // a list, not null, when empty
}

// Passes serves the last passes as JSON, the oldest first, for the admin port:
//
//	{"passes": [{"time": ..., "took_seconds": ..., "objects": ..., ...}]}
func (w *Worker) Passes() http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		out.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(out).Encode(map[string]any{"passes": w.history.list()}) // the client went away: nobody is left to tell
	})
}

// Overview is a section of /overview: what the worker has done since its start, and its
// last passes.
func (w *Worker) Overview(context.Context) (any, error) {
	now := w.Progress()
	return map[string]any{
		"shard": w.Shard.String(), "objects": now.Objects, "updates": now.Updates, "waiting_in_pass": now.Waiting, "passes": w.history.list(),
	}, nil
}
