package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// objectInFlight is an object in hand. It may be deleted when its reading and every batch
// that holds a part of it have gone well.
type objectInFlight struct {
	bucket.Ref
	messages []*pendingMessage
	modified time.Time
	open     atomic.Int32 // the reading, and the batches, that have not ended
	failed   atomic.Bool
	span     *objectSpan
	batch    int // number of the last batch that holds a part; only fill looks at it
}

// settle ends the reading or one batch, and tells whether it was the last: then
// the object may be deleted unless it has failed.
func (t *objectInFlight) settle(ok bool) bool {
	if !ok {
		t.failed.Store(true)
	}
	return t.open.Add(-1) == 0
}

// part is a piece of a decoded object.
type part struct {
	from       *objectInFlight
	updates    []movie.Update
	rejections []movie.Rejection
	size       int  // bytes
	last       bool // nothing follows; ok tells whether all of the object was read
	ok         bool
}

// A fetcher passes on what it has decoded when it has this much: large objects
// must not pile up in memory, small ones must not cost a hand-over each.
const (
	partItems = 64
	partBytes = 256 << 10
)

// An object of more than largeObject bytes may hold updates of up to 1 MiB, so
// only a few of these are read at a time.
const (
	largeObject = 128 << 10
	largeAtOnce = 8
)

// fetchAll reads Concurrency objects at a time.
func (p *pass) fetchAll(objects <-chan candidate, parts chan<- part) {
	var fetchers sync.WaitGroup
	large := make(chan struct{}, largeAtOnce)
	for range p.worker.Concurrency {
		fetchers.Go(func() {
			for o := range objects {
				if 0 <= o.Size && o.Size <= largeObject {
					p.take(o, parts)
					continue
				}
				large <- struct{}{}
				p.take(o, parts)
				<-large
			}
		})
	}
	fetchers.Wait()
}

// take reads an object, unless nothing new is to be taken.
func (p *pass) take(o candidate, parts chan<- part) {
	if p.stop.Err() != nil {
		p.leave(o.LastModified)
		return
	}
	p.fetch(o, parts)
}

// fetch reads and decodes one object. The stamp comes from the GET, never from
// the LIST or a hint: the object may have been overwritten in between.
func (p *pass) fetch(listed candidate, parts chan<- part) {
	key := listed.Key
	ctx, span := p.startObjectSpan(listed)
	object, body, err := p.get(ctx, key)
	if err != nil && listed.other != "" && (errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrDenied)) {
		span.end(endGone, nil)
		listed.Key, listed.other = listed.other, ""
		p.fetch(listed, parts)
		return
	}
	if errors.Is(err, bucket.ErrNotFound) {
		span.end(endGone, nil)
		p.gone(listed)
		return
	}
	if err != nil {
		p.leave(listed.LastModified)
		p.failRead(ctx, key, err)
		p.refused(listed, err)
		span.end(endLeft, err)
		return
	}
	defer func() { _ = body.Close() }() // it was read to its end, or its error is known
	if err := storable(object.Ref); err != nil {
		p.leave(object.LastModified)
		p.failRead(ctx, key, err)
		span.end(endLeft, err)
		return
	}
	if bucket.Ignored(object) { // it has become a folder marker since it was listed
		span.end(endGone, nil)
		p.gone(listed)
		return
	}
	span.read(object)
	next := part{from: &objectInFlight{Ref: object.Ref, messages: listed.messages, modified: object.LastModified, span: span}}
	next.from.open.Store(1)
	stamp := movie.Stamp{Time: movie.At(object.LastModified), Key: key}
	items, rejections := 0, 0
	err = decode.Read(body, func(item decode.Item) error {
		next.add(item, stamp)
		p.noteIgnored(ctx, key, item.Ignored)
		items++
		if item.Reason != "" {
			rejections++
		}
		if len(next.updates)+len(next.rejections) < partItems && next.size < partBytes {
			return nil
		}
		full := next
		next = part{from: full.from}
		if err := send(p.hard, parts, full); err != nil || p.stop.Err() == nil {
			return err
		}
		return errStopping
	})
	span.decoded(items-rejections, rejections, err)
	switch {
	case errors.Is(err, errStopping):
	case err != nil:
		p.failRead(ctx, key, err)
	default:
		p.worker.progress.objects.Add(1)
		p.worker.metrics.read.Inc()
	}
	next.last, next.ok = true, err == nil
	// A part that is not sent leaves the object unsettled, so it stays.
	if err := send(p.hard, parts, next); err != nil {
		span.end(endLeft, err)
	}
}

func (p *pass) get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	ctx, span := p.worker.tracer.Start(ctx, "get", trace.WithSpanKind(trace.SpanKindClient))
	object, body, err := p.worker.Store.Get(ctx, key)
	endWith(span, err)
	return object, body, err
}

// storable says why the database has no place for the name of an object.
func storable(ref bucket.Ref) error {
	switch {
	case len(ref.Key) > bucket.MaxKey:
		return fmt.Errorf("its key has %d bytes, expected at most %d: rename the object", len(ref.Key), bucket.MaxKey)
	case len(ref.ETag) > bucket.MaxETag:
		return fmt.Errorf("its ETag has %d bytes, expected at most %d", len(ref.ETag), bucket.MaxETag)
	}
	return nil
}

// gone notes an object that somebody else has taken.
func (p *pass) gone(o candidate) {
	p.count(func(c *counts) { c.Gone++ })
	p.settle(o.messages)
}

// errStopping breaks off an object of many updates: its beginning is committed,
// the object stays, and the next worker reads all of it.
var errStopping = errors.New("the worker is stopping")

func (p *pass) failRead(ctx context.Context, key string, err error) {
	if errors.Is(err, bucket.ErrSettling) || errors.Is(err, bucket.ErrChanged) { // no failure: the next pass reads it
		p.worker.Logger.DebugContext(ctx, "object is being written", "key", key, "error", err)
		p.count(func(c *counts) { c.Settling++ })
		return
	}
	p.worker.metrics.readFailures.Inc()
	p.worker.Logger.DebugContext(ctx, "object not read", "key", key, "error", err)
	p.fail(fmt.Errorf("read %q: %w", key, err), func(c *counts) { c.ReadFailed++ })
}

func (n *part) add(item decode.Item, stamp movie.Stamp) {
	n.size += item.Size
	if item.Reason != "" {
		n.size += len(item.Bytes)
		n.rejections = append(n.rejections, movie.Rejection{
			Key: n.from.Key, ObjectETag: n.from.ETag, Position: item.Position, Reason: item.Reason, Bytes: item.Bytes, Truncated: item.Truncated,
		})
		return
	}
	stamp.Position = item.Position
	item.Update.Stamp = stamp
	n.updates = append(n.updates, item.Update)
}

func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
