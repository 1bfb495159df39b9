package worker

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
)

const (
	// bulkAtOnce is how many requests that delete many objects are in flight at a time.
	// Of requests that delete one, there are as many as of reads.
	bulkAtOnce = 8
	// bulkSize is how many objects a request deletes if the store does not say.
	bulkSize = 1000
	// deleteLinger is how long a pass waits for its last deletes. Slower ones outlive it,
	// so that new objects do not wait for them.
	deleteLinger = time.Second
)

// deleteResult is the answer to one request: an error for each object.
type deleteResult struct {
	objects []*objectInFlight
	errs    []error
}

// removeAll deletes committed objects. Each request is independent: a slow or failing one
// holds up no other. One loop does three things until the pass ends:
//
//  1. It receives groups of committed objects, from the moment when Prove has ended. Groups
//     that arrive while all slots are taken are joined, so a request deletes many objects
//     when requests are slow. It receives no group once it has enough for a request, which
//     makes the commits wait for the deletes.
//  2. It starts a request when a slot is free.
//  3. It records the results.
//
// The pass ends when all of its requests have ended. Unless the worker is stopping, it also
// ends deleteLinger after it started the last; startDelete records later results.
func (p *pass) removeAll(committed <-chan []*objectInFlight) {
	results := make(chan deleteResult)
	var pending []*objectInFlight
	var linger <-chan time.Time
	for inFlight := 0; committed != nil || len(pending) > 0 || inFlight > 0; {
		size, slots := p.worker.deleteMeans()
		intake, free := committed, slots
		if len(pending) == 0 {
			free = nil
		} else if len(pending) >= size {
			intake = nil
		}
		if intake == nil && free == nil && linger == nil && !p.plan.awaitDeletes {
			linger = time.After(deleteLinger)
		}
		select {
		case group, more := <-intake:
			if !more {
				committed = nil
				continue
			}
			<-p.worker.proven
			pending = append(pending, group...)
		case free <- struct{}{}:
			for len(pending) < size && len(committed) > 0 { // there is no other receiver
				pending = append(pending, <-committed...)
			}
			n := min(size, len(pending))
			p.startDelete(pending[:n:n], slots, results)
			pending = pending[n:]
			inFlight++
		case r := <-results:
			p.removed(r)
			inFlight--
		case <-linger:
			if p.stop.Err() == nil || p.aborted() {
				inFlight = 0 // the rest is recorded as late
			}
		}
	}
	close(p.over)
	p.worker.deletes.each(p.leave)
}

// deleteMeans returns how many objects one request deletes at present, and the slots for
// such requests.
func (w *Worker) deleteMeans() (size int, slots chan struct{}) {
	size = bulkSize
	if d, ok := w.options.Store.(bucket.Deleter); ok {
		size = d.DeleteSize()
	}
	if size == 1 {
		return size, w.deletes.single
	}
	return size, w.deletes.bulk
}

// startDelete deletes objects in the background, and then frees the slot. It sends the
// result to removeAll, or records it itself if the pass is over.
func (p *pass) startDelete(objects []*objectInFlight, slots <-chan struct{}, results chan<- deleteResult) {
	p.worker.deletes.begin(objects)
	p.worker.deletes.running.Go(func() {
		if slots == p.worker.deletes.single {
			p.worker.deletes.gate.enter()
			defer p.worker.deletes.gate.leave()
		}
		r := p.delete(objects)
		p.worker.deletes.end(objects)
		<-slots
		select {
		case results <- r:
		case <-p.over:
			p.removedLate(r)
		}
	})
}

// delete deletes objects, each on condition that it is still the generation that was
// committed.
func (p *pass) delete(objects []*objectInFlight) deleteResult {
	refs := make([]bucket.Ref, len(objects))
	for i, object := range objects {
		refs[i] = object.Ref
	}
	ctx, span := p.spanOf(objects, "delete", trace.SpanKindClient)
	errs := p.worker.options.Store.Delete(ctx, refs)
	span.End()
	for i, err := range errs {
		// The second time, the store is wrong: GET has returned this generation in between.
		if errors.Is(err, bucket.ErrChanged) && p.worker.overwrites.add(generation{refs[i], objects[i].modified.UnixNano()}) > 1 {
			errs[i] = fmt.Errorf("the server refuses ETag %s again and again, though GET returns it: "+
				"a proxy or the server changes ETags: %s", refs[i].ETag, err) // %s, so that it is no ErrChanged
		}
	}
	return deleteResult{objects, errs}
}

// removed counts the result of a request that ended in time.
func (p *pass) removed(r deleteResult) {
	for i, object := range r.objects {
		err := r.errs[i]
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
			p.settle(object.messages) // another message names the new generation
		default:
			p.leave(object.modified)
			p.rest(object.Ref)
			p.fail(fmt.Errorf("delete %q: %w", object.Key, err), func(c *counts) { c.RemoveFailed++ })
		}
		p.endRemoved(object, err)
	}
}

// removedLate records the result of a request that outlived its pass. The messages come
// again, and name objects that are gone.
func (p *pass) removedLate(r deleteResult) {
	var first error
	failed := 0
	for i, object := range r.objects {
		err := r.errs[i]
		if err != nil && !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrChanged) {
			failed++
			p.rest(object.Ref)
			first = cmp.Or(first, fmt.Errorf("delete %q: %w", object.Key, err))
		}
		p.endRemoved(object, err)
	}
	if failed > 0 {
		p.worker.logger.Warn("objects not deleted; a later pass reads them again", "objects", failed, "error", first)
	}
	if p.hard.Err() != nil {
		p.worker.deletes.interrupted.Add(int64(failed))
	}
}

// endRemoved records the result of one delete in the metrics and ends the object's span.
func (p *pass) endRemoved(object *objectInFlight, err error) {
	switch {
	case err == nil:
		p.worker.metrics.removed.Inc()
		object.span.end(endRemoved, nil)
	case errors.Is(err, bucket.ErrNotFound):
		object.span.end(endGone, nil)
	case errors.Is(err, bucket.ErrChanged):
		p.worker.metrics.overwritten.Inc()
		object.span.end(endOverwritten, nil)
		p.worker.logger.Debug("object was overwritten before its delete; the next pass reads it", "key", object.Key)
	default:
		p.worker.metrics.removeFailures.Inc()
		object.span.end(endLeft, err)
	}
}

// endDeletes waits for the last deletes when the worker stops; the shutdown timeout
// interrupts them.
func (w *Worker) endDeletes() error {
	w.deletes.running.Wait()
	if n := w.deletes.interrupted.Load(); n > 0 {
		return fmt.Errorf("%w: %d objects are committed but may still be in the bucket; they will be read again", ErrStoppedLate, n)
	}
	return nil
}
