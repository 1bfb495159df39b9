package worker

import (
	"context"
	"log/slog"
	"sync"

	"jpmovies/internal/decode"
)

// maxIgnoredNames is how many names of ignored fields are logged.
const maxIgnoredNames = 100

// ignoredNames holds the names of ignored fields that were logged.
type ignoredNames struct {
	mu   sync.Mutex
	seen map[string]bool
}

// isNew reports whether a name must be logged: it has not been, and the log has room.
func (i *ignoredNames) isNew(name string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen[name] || len(i.seen) == maxIgnoredNames {
		return false
	}
	if i.seen == nil {
		i.seen = make(map[string]bool)
	}
	i.seen[name] = true
	return true
}

// noteIgnored counts an update with ignored fields, and logs each name once.
func (p *pass) noteIgnored(ctx context.Context, key string, names []string) {
	if len(names) == 0 {
		return
	}
	p.worker.metrics.ignoredFields.Inc()
	for _, name := range names {
		if !p.worker.ignored.isNew(name) {
			continue
		}
		level, attrs := slog.LevelInfo, []slog.Attr{slog.String("field", name), slog.String("first_in", key)}
		if field := decode.Meant(name); field != "" {
			level, attrs = slog.LevelWarn, append(attrs, slog.String("did_you_mean", field))
		}
		p.worker.logger.LogAttrs(ctx, level, "updates have a field that is ignored", attrs...)
	}
}
