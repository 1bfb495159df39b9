package worker

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
)

const (
	// bulkAtOnce is how many requests that delete many objects are in flight at a
	// time; of those that delete one there are Concurrency.
	bulkAtOnce = 8
	// bulkSize is how many objects a request deletes where the store does not say.
	bulkSize = 1000
	// deleteLinger is how long a pass waits for its last deletes. Those that take
	// longer outlive it, so that new objects do not wait for them.
	deleteLinger = time.Second
	// repeatsKept is how many generations that could not be deleted are remembered.
	repeatsKept = 10_000
)

// deletes are the requests in flight. They belong to the worker and not to the
// pass that made them.
type deletes struct {
	single, bulk chan struct{} // a slot for each request
	running      sync.WaitGroup
	cutShort     atomic.Int64 // objects whose delete was broken off when the worker stopped

	mu   sync.Mutex
	keys map[string]inFlight
	// changed holds the generations that a delete has found overwritten.
	changed map[bucket.Ref]bool
}

// inFlight is a key that is being deleted, perhaps more than once.
type inFlight struct {
	requests int
	modified time.Time
}

// means returns how many objects one request deletes, and the slots for requests.
func (w *Worker) means() (size int, slots chan struct{}) {
	if w.deletes.single == nil {
		w.deletes.single, w.deletes.bulk = make(chan struct{}, w.Concurrency), make(chan struct{}, bulkAtOnce)
	}
	size = bulkSize
	if d, ok := w.Store.(bucket.Deleter); ok {
		size = d.DeleteSize()
	}
	if size == 1 {
		return size, w.deletes.single
	}
	return size, w.deletes.bulk
}

// removeAll deletes what the commits have settled. Each request is on its own: one
// that is slow or fails holds up no other. While all slots are taken, the groups
// that come in make one, so a request takes many objects when requests are slow.
func (p *pass) removeAll(done <-chan []*objectInFlight) {
	for group := range done {
		<-p.worker.proven
		size, slots := p.worker.means()
		for len(group) > 0 {
			slots <- struct{}{}
			for size > 1 && len(done) > 0 { // there is no other receiver
				group = append(group, <-done...)
			}
			n := min(size, len(group))
			p.removeBeside(group[:n], slots)
			group = group[n:]
		}
	}
	p.awaitDeletes()
}

// removeBeside deletes a group beside everything else, and then frees the slot.
func (p *pass) removeBeside(group []*objectInFlight, slots <-chan struct{}) {
	p.worker.deletes.begin(group)
	p.deleting.Add(1)
	p.worker.deletes.running.Go(func() {
		defer p.deleting.Done()
		p.remove(group)
		p.worker.deletes.end(group)
		<-slots
	})
}

// awaitDeletes waits for the deletes of the pass, unless they take too long.
func (p *pass) awaitDeletes() {
	ended := make(chan struct{})
	go func() { p.deleting.Wait(); close(ended) }()
	linger := time.NewTimer(deleteLinger)
	defer linger.Stop()
	select {
	case <-ended:
	case <-linger.C:
		if p.worker.patient || p.stop.Err() != nil {
			<-ended
		}
	}
	p.ending.Lock()
	p.over = true
	p.ending.Unlock()
	p.worker.deletes.each(p.leave)
}

func (d *deletes) begin(group []*objectInFlight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keys == nil {
		d.keys = make(map[string]inFlight)
	}
	for _, object := range group {
		d.keys[object.Key] = inFlight{d.keys[object.Key].requests + 1, object.modified}
	}
}

func (d *deletes) end(group []*objectInFlight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, object := range group {
		k := d.keys[object.Key]
		if k.requests--; k.requests == 0 {
			delete(d.keys, object.Key)
		} else {
			d.keys[object.Key] = k
		}
	}
}

// has tells whether the key is being deleted.
func (d *deletes) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, found := d.keys[key]
	return found
}

// each calls do with the LastModified of each object that is being deleted.
func (d *deletes) each(do func(modified time.Time)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		do(k.modified)
	}
}

// repeated tells whether the generation has been found overwritten before. As it
// was read again, it was not.
func (d *deletes) repeated(ref bucket.Ref) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed[ref] {
		return true
	}
	if d.changed == nil || len(d.changed) == repeatsKept {
		d.changed = make(map[bucket.Ref]bool)
	}
	d.changed[ref] = true
	return false
}

// endDeletes waits for the last deletes of a worker that stops, which are broken
// off when its time is over.
func (w *Worker) endDeletes() error {
	w.deletes.running.Wait()
	if n := w.deletes.cutShort.Load(); n > 0 {
		return fmt.Errorf("%w: %d objects that are committed may still be in the bucket and will be read again", ErrStoppedLate, n)
	}
	return nil
}

// remove deletes objects, each only if it is still the generation that was
// committed.
func (p *pass) remove(group []*objectInFlight) {
	refs := make([]bucket.Ref, len(group))
	for i, object := range group {
		refs[i] = object.Ref
	}
	ctx, span := p.spanOf(group, "delete", trace.SpanKindClient)
	results := p.worker.Store.Delete(ctx, refs)
	span.End()
	p.ending.RLock() // the pass does not end in between
	defer p.ending.RUnlock()
	for i, err := range results {
		if errors.Is(err, bucket.ErrChanged) && p.worker.deletes.repeated(refs[i]) {
			err = fmt.Errorf("its ETag %s is refused again and again, though a GET tells the same one: "+
				"a proxy or the server itself changes ETags: %s", refs[i].ETag, err)
		}
		if p.over {
			p.removedLate(group[i], err)
		} else {
			p.removed(group[i], err)
		}
	}
}

// removed notes what became of an object in its pass.
func (p *pass) removed(object *objectInFlight, err error) {
	switch {
	case err == nil:
		p.count(func(c *counts) { c.Removed++ })
		p.settle(object.messages)
	case errors.Is(err, bucket.ErrNotFound):
		p.count(func(c *counts) { c.Gone++ })
		p.settle(object.messages)
	case errors.Is(err, bucket.ErrChanged):
		p.leave(object.modified)
		p.count(func(c *counts) { c.Overwritten++ })
		p.settle(object.messages) // another message tells of what came
	default:
		p.leave(object.modified)
		p.fail(fmt.Errorf("delete %q: %w", object.Key, err), func(c *counts) { c.RemoveFailed++ })
	}
	p.tellRemoved(object, err)
}

// removedLate notes what became of an object after its pass. Its messages come
// again, and name an object that is gone.
func (p *pass) removedLate(object *objectInFlight, err error) {
	if err != nil && !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrChanged) {
		p.worker.Logger.Warn("object not deleted; it will be read again", "key", object.Key, "error", err)
		if p.hard.Err() != nil {
			p.worker.deletes.cutShort.Add(1)
		}
	}
	p.tellRemoved(object, err)
}

// tellRemoved tells metrics and traces.
func (p *pass) tellRemoved(object *objectInFlight, err error) {
	switch {
	case err == nil:
		p.worker.metrics.removed.Inc()
		object.span.end(endRemoved, nil)
	case errors.Is(err, bucket.ErrNotFound):
		object.span.end(endGone, nil)
	case errors.Is(err, bucket.ErrChanged):
		p.worker.metrics.overwritten.Inc()
		object.span.end(endOverwritten, nil)
		p.worker.Logger.Debug("object was overwritten meanwhile and is read again", "key", object.Key)
	default:
		p.worker.metrics.removeFailures.Inc()
		object.span.end(endLeft, err)
	}
}
