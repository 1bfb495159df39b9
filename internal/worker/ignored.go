package worker

import (
	"context"
	"sync"

	"jpmovies/internal/decode"
)

// maxIgnoredNames is how many names of ignored fields are logged.
const maxIgnoredNames = 100

// ignoredNames are the fields without a meaning that updates had, for the log.
type ignoredNames struct {
	mu   sync.Mutex
	seen map[string]bool
}

// noteIgnored counts an update that has such fields, and logs a name that is new.
func (p *pass) noteIgnored(ctx context.Context, key string, names []string) {
	if len(names) == 0 {
		return
	}
	p.worker.metrics.ignoredFields.Inc()
	p.worker.ignored.mu.Lock()
	defer p.worker.ignored.mu.Unlock()
	for _, name := range names {
		if p.worker.ignored.seen[name] || len(p.worker.ignored.seen) == maxIgnoredNames {
			continue
		}
		if p.worker.ignored.seen == nil {
			p.worker.ignored.seen = make(map[string]bool)
		}
		p.worker.ignored.seen[name] = true
		if field := decode.Meant(name); field != "" {
			p.worker.Logger.WarnContext(ctx, "updates have a field that is ignored", "field", name, "first_in", key, "did_you_mean", field)
		} else {
			p.worker.Logger.InfoContext(ctx, "updates have a field that is ignored", "field", name, "first_in", key)
		}
	}
}
