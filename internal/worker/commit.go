package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/movie"
)

var errCatalogueAway = errors.New("the catalogue cannot be written")

// maxPendingCommits is how many commits may be ahead of the deletes.
const maxPendingCommits = 16

// commitsAtOnce is how many batches are committed side by side: while one waits
// for the disk or for its answers, the database works on another. The order does
// not matter to the catalogue; more would wait for each other's locks.
const commitsAtOnce = 2

// commitAll commits the batches and passes on the objects that may be deleted.
func (p *pass) commitAll(batches <-chan *batch, done chan<- []*objectInFlight) {
	var committers sync.WaitGroup
	for range commitsAtOnce {
		committers.Go(func() {
			for b := range batches {
				err := p.commit(b)
				// This must come after the commit: an object that is deleted first
				// is lost with the transaction.
				if committed := b.end(p, err == nil); len(committed) > 0 {
					done <- committed // the remover reads to the end, whatever happens
				}
			}
		})
	}
	committers.Wait()
}

// end ends a batch and returns the objects that may be deleted.
func (b *batch) end(p *pass, ok bool) []*objectInFlight {
	var committed []*objectInFlight
	for _, object := range b.objects {
		switch last := object.settle(ok); {
		case !last:
		case object.failed.Load():
			p.leave(object.modified)
			object.span.end(endLeft, nil)
		default:
			committed = append(committed, object)
		}
	}
	return committed
}

// commit applies a batch. When the catalogue cannot be written, the rest of the
// pass is not tried: it would wait for the same.
func (p *pass) commit(b *batch) error {
	if p.aborted() {
		return errCatalogueAway
	}
	ctx, span := p.spanOf(b.objects, "commit batch", trace.SpanKindInternal)
	span.SetAttributes(attribute.Int("updates", len(b.Updates)), attribute.Int("rejections", len(b.Rejections)))
	err := p.apply(ctx, b.Batch, b.origins)
	endWith(span, err)
	if err != nil {
		p.breakOff(fmt.Errorf("commit: %w", err), func(c *counts) { c.CommitFailed++ })
		p.abort(errCatalogueAway)
	}
	return err
}

// apply commits updates, whose objects are their origins. What a healthy
// database refuses for good is split until the update at fault stands alone,
// and that one is rejected with the database's words.
func (p *pass) apply(ctx context.Context, b movie.Batch, origins []*objectInFlight) error {
	if b.Empty() { // objects that could not be read
		return nil
	}
	start := time.Now()
	changes, err := p.worker.Catalogue.Apply(ctx, b)
	p.worker.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	var refusal *movie.RefusedError
	if !errors.As(err, &refusal) {
		if err == nil {
			p.committed(ctx, b, changes)
		}
		return err
	}
	part := func(updates []movie.Update, rejections []movie.Rejection) movie.Batch {
		return movie.Batch{Objects: b.Objects, Updates: updates, Rejections: rejections}
	}
	switch n := len(b.Updates); {
	case len(b.Rejections) > 0 && n > 0:
		return errors.Join(p.apply(ctx, part(nil, b.Rejections), nil), p.apply(ctx, part(b.Updates, nil), origins))
	case n > 1:
		return errors.Join(p.apply(ctx, part(b.Updates[:n/2], nil), origins[:n/2]), p.apply(ctx, part(b.Updates[n/2:], nil), origins[n/2:]))
	case n == 1 && refusal.Setting:
		p.hold(origins[0], b.Updates[0].Stamp.Position, refusal)
		return nil
	case n == 1:
		origins[0].span.refused()
		return p.apply(ctx, part(nil, []movie.Rejection{b.Updates[0].Reject(origins[0].ETag, refusal.Error())}), nil)
	}
	return err // a rejection that cannot be stored: the object stays
}

// hold keeps an object in the bucket that the database cannot take as it is set up.
func (p *pass) hold(object *objectInFlight, position int64, refusal *movie.RefusedError) {
	object.failed.Store(true)
	p.fail(fmt.Errorf("update %d of %q stays in the bucket: %w", position, object.Key, refusal.Reason), func(c *counts) { c.CommitFailed++ })
}

func (p *pass) committed(ctx context.Context, b movie.Batch, changes int) {
	p.worker.lastCommit.Store(time.Now().UnixNano())
	p.worker.progress.updates.Add(int64(len(b.Updates)))
	p.worker.metrics.committed(b, changes)
	p.count(func(c *counts) {
		c.Updates += len(b.Updates)
		c.Rejections += len(b.Rejections)
		c.Changes += changes
	})
	const most = 10 // lines for one batch
	for i, r := range b.Rejections {
		if i == most {
			p.worker.Logger.WarnContext(ctx, "more updates rejected", "count", len(b.Rejections)-most)
			break
		}
		p.worker.Logger.WarnContext(ctx, "update rejected", "key", r.Key, "position", r.Position, "reason", r.Reason)
	}
}
