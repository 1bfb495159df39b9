package worker

import (
	"errors"
	"fmt"
	"time"

	"jpmovies/internal/bucket"
)

// Committed objects are deleted when there are this many (what a bulk request
// takes), or when the first of them has waited this long.
const (
	removeMost = 1000
	removeAge  = time.Second
)

// removeAll deletes what was committed, in groups.
func (p *pass) removeAll(done <-chan *taken) {
	var group []*taken
	timer := time.NewTimer(removeAge)
	timer.Stop()
	flush := func() {
		timer.Stop()
		if len(group) > 0 {
			p.remove(group)
			group = nil
		}
	}
	for {
		select {
		case object, more := <-done:
			if !more {
				flush()
				return
			}
			if len(group) == 0 {
				timer.Reset(removeAge)
			}
			if group = append(group, object); len(group) == removeMost {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

// remove deletes objects, each only if it is still the generation that was
// committed.
func (p *pass) remove(group []*taken) {
	refs := make([]bucket.Ref, len(group))
	for i, object := range group {
		refs[i] = object.Ref
	}
	for i, err := range p.Store.Delete(p.hard, refs) {
		key := refs[i].Key
		switch {
		case err == nil:
			p.count(func(c *counts) { c.Removed++ })
			p.metrics.removed.Inc()
		case errors.Is(err, bucket.ErrNotFound):
			p.count(func(c *counts) { c.Gone++ })
		case errors.Is(err, bucket.ErrChanged):
			p.leave(group[i].modified)
			p.metrics.overwritten.Inc()
			p.count(func(c *counts) { c.Overwritten++ })
			p.Logger.Debug("object was overwritten meanwhile and is read again", "key", key)
		default:
			p.leave(group[i].modified)
			p.metrics.removeFailures.Inc()
			p.fail(fmt.Errorf("delete %q: %w", key, err), func(c *counts) { c.RemoveFailed++ })
		}
	}
}
