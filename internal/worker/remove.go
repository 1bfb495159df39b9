package worker

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
)

// removeAll deletes what each commit has settled; what came while it was busy
// makes one group. So a bulk request takes many keys when requests are slow, and
// none waits when they are fast.
func (p *pass) removeAll(done <-chan []*taken) {
	for group := range done {
		for range len(done) { // there is no other receiver
			group = append(group, <-done...)
		}
		p.remove(group)
	}
}

// remove deletes objects, each only if it is still the generation that was
// committed.
func (p *pass) remove(group []*taken) {
	refs := make([]bucket.Ref, len(group))
	for i, object := range group {
		refs[i] = object.Ref
	}
	ctx, span := p.spanOf(group, "delete", trace.SpanKindClient)
	results := p.Store.Delete(ctx, refs)
	span.End()
	for i, err := range results {
		key, story := refs[i].Key, group[i].story
		switch {
		case err == nil:
			p.count(func(c *counts) { c.Removed++ })
			p.metrics.removed.Inc()
			story.end(endRemoved, nil)
			p.settle(group[i].notices)
		case errors.Is(err, bucket.ErrNotFound):
			p.count(func(c *counts) { c.Gone++ })
			story.end(endGone, nil)
			p.settle(group[i].notices)
		case errors.Is(err, bucket.ErrChanged):
			p.leave(group[i].modified)
			p.metrics.overwritten.Inc()
			p.count(func(c *counts) { c.Overwritten++ })
			story.end(endOverwritten, nil)
			p.Logger.Debug("object was overwritten meanwhile and is read again", "key", key)
			p.settle(group[i].notices) // another message tells of what came
		default:
			p.leave(group[i].modified)
			p.metrics.removeFailures.Inc()
			p.fail(fmt.Errorf("delete %q: %w", key, err), func(c *counts) { c.RemoveFailed++ })
			story.end(endLeft, err)
		}
	}
}
