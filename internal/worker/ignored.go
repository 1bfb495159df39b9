package worker

import (
	"context"
	"log/slog"
	"sync"

	"jpmovies/internal/decode"
)

// ignoredNames holds the names of ignored fields that were logged.
type ignoredNames struct {
	mu     sync.Mutex
	counts decode.FieldCounts
}

// add returns the names to log, and whether these are the last but those that seem to be
// meant for other fields.
func (i *ignoredNames) add(names []string) (fresh []string, last bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.counts.More
	fresh = i.counts.Add(names)
	return fresh, i.counts.More && !before
}

// noteIgnored counts an update with ignored fields, and logs each name once.
func (p *pass) noteIgnored(ctx context.Context, key string, names []string) {
	if len(names) == 0 {
		return
	}
	p.worker.metrics.ignoredFields.Inc()
	fresh, last := p.worker.ignored.add(names)
	for _, name := range fresh {
		level, attrs := slog.LevelInfo, []slog.Attr{slog.String("field", name), slog.String("first_in", key)}
		if field := decode.Meant(name); field != "" {
			level, attrs = slog.LevelWarn, append(attrs, slog.String("did_you_mean", field))
		}
		p.worker.logger.LogAttrs(ctx, level, "updates have a field that is ignored", attrs...)
	}
	if last {
		p.worker.logger.InfoContext(ctx, "updates have more fields that are ignored; from now on only those like a known one are named", "first_in", key)
	}
}
