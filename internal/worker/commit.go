package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// errCatalogueAway is the cause of a pass that ends because a commit failed.
var errCatalogueAway = errors.New("the catalogue cannot be written")

// maxPendingCommits is how many committed batches may wait for their deletes.
const maxPendingCommits = 16

// commitsAtOnce is how many batches are committed at a time: while one waits for the disk,
// the database works on the other. The catalogue does not depend on their order. A third
// would wait for row locks.
const commitsAtOnce = 2

// commitAll commits batches, and sends the objects that may be deleted.
func (p *pass) commitAll(batches <-chan *batch, committed chan<- []*objectInFlight) {
	var committers sync.WaitGroup
	for range commitsAtOnce {
		committers.Go(func() {
			for b := range batches {
				err := p.commit(b)
				// This must follow the commit: an object deleted earlier would be lost if
				// the transaction failed.
				if objects := b.end(p, err == nil); len(objects) > 0 {
					committed <- objects // removeAll receives until the channel is closed
				}
			}
		})
	}
	committers.Wait()
}

// end settles the objects of a batch and returns those that may be deleted.
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

// commit applies a batch. A failure ends the pass, because the other batches would wait
// for the same database.
func (p *pass) commit(b *batch) error {
	if p.aborted() {
		return errCatalogueAway
	}
	ctx, span := p.spanOf(b.objects, "commit batch", trace.SpanKindInternal)
	span.SetAttributes(attribute.Int("updates", len(b.content.Updates)), attribute.Int("rejections", len(b.content.Rejections)))
	err := p.apply(ctx, b.content, b.origins, b.objects)
	endWith(span, err)
	if err != nil {
		p.failWhole(fmt.Errorf("commit: %w", err), func(c *counts) { c.CommitFailed++ })
		p.abort(errCatalogueAway)
	}
	return err
}

// apply commits updates and rejections; origins holds the object of each update, objects
// all of them. A batch that a healthy database refuses for good is split:
//
//  1. Rejections are committed without the updates.
//  2. The updates are halved until the one at fault is alone.
//  3. That one is committed as a rejection with the database's reason.
//
// If a setting of the server is to blame, or the database refuses even the rejection, the
// object stays in the bucket, and costs no other.
func (p *pass) apply(ctx context.Context, b movie.Batch, origins, objects []*objectInFlight) error {
	if b.Empty() { // its objects could not be read
		return nil
	}
	start := time.Now()
	changes, err := p.worker.options.Catalogue.Apply(ctx, b)
	p.worker.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	var refusal *movie.RefusedError
	if !errors.As(err, &refusal) {
		if err == nil {
			p.committed(ctx, b, changes)
		}
		return err
	}
	with := func(updates []movie.Update, rejections []movie.Rejection) movie.Batch {
		return movie.Batch{Objects: b.Objects, Updates: updates, Rejections: rejections}
	}
	switch n, m := len(b.Updates), len(b.Rejections); {
	case m > 0 && n > 0:
		return errors.Join(p.apply(ctx, with(nil, b.Rejections), nil, objects), p.apply(ctx, with(b.Updates, nil), origins, objects))
	case n > 1:
		return errors.Join(p.apply(ctx, with(b.Updates[:n/2], nil), origins[:n/2], objects), p.apply(ctx, with(b.Updates[n/2:], nil), origins[n/2:], objects))
	case n == 1 && !refusal.Setting:
		origins[0].span.refused()
		return p.apply(ctx, with(nil, []movie.Rejection{b.Updates[0].Reject(origins[0].ETag, refusal.Error())}), nil, objects)
	case m > 1:
		return errors.Join(p.apply(ctx, with(nil, b.Rejections[:m/2]), nil, objects), p.apply(ctx, with(nil, b.Rejections[m/2:]), nil, objects))
	case m == 1:
		r := b.Rejections[0]
		for _, object := range objects { // a generation may be read twice
			if object.Ref == (bucket.Ref{Key: r.Key, ETag: r.ObjectETag}) {
				p.hold(object, r.Position, refusal)
			}
		}
	case n == 1:
		p.hold(origins[0], b.Updates[0].Stamp.Position, refusal)
	default: // objects without updates
		for _, object := range objects {
			p.hold(object, 0, refusal)
		}
	}
	return nil
}

// hold keeps an object in the bucket, for an operator to change the database server.
// The position is that of the refused update, 0 if the object has none.
func (p *pass) hold(object *objectInFlight, position int64, refusal *movie.RefusedError) {
	object.failed.Store(true)
	p.rest(object.Ref)
	what := fmt.Sprintf("%q", object.Key)
	if position > 0 {
		what = fmt.Sprintf("update %d of %q", position, object.Key)
	}
	p.fail(fmt.Errorf("%s stays in the bucket: %w", what, refusal.Reason), func(c *counts) { c.CommitFailed++ })
}

// maxRejectionLines is how many rejections of one batch are logged.
const maxRejectionLines = 10

// committed counts a committed batch and logs its rejections.
func (p *pass) committed(ctx context.Context, b movie.Batch, changes int) {
	p.worker.lastCommit.Store(time.Now().UnixNano())
	p.worker.progress.updates.Add(int64(len(b.Updates)))
	p.worker.progress.changes.Add(int64(changes))
	p.worker.progress.rejections.Add(int64(len(b.Rejections)))
	p.worker.metrics.committed(b, changes)
	p.count(func(c *counts) {
		c.Updates += len(b.Updates)
		c.Rejections += len(b.Rejections)
		c.Changes += changes
	})
	for i, r := range b.Rejections {
		if i == maxRejectionLines {
			p.worker.logger.WarnContext(ctx, "more updates rejected; jpmovies rejections list shows them", "count", len(b.Rejections)-i)
			break
		}
		p.worker.logger.WarnContext(ctx, "update rejected", "key", r.Key, "position", r.Position, "reason", r.Reason)
	}
}
