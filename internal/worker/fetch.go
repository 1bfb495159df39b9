package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// objectInFlight is an object that is being read, committed or deleted. It may be deleted
// when the read and every batch that holds a part of it have succeeded.
type objectInFlight struct {
	bucket.Ref
	messages []*pendingMessage
	modified time.Time
	open     atomic.Int32 // the read and the batches that have not ended
	failed   atomic.Bool  // one of them failed
	span     *objectSpan
	batch    int // number of the last batch that holds a part; only batchAll uses it
}

// settle ends the read or one batch, and reports whether it was the last: then the object
// may be deleted unless it has failed.
func (o *objectInFlight) settle(ok bool) bool {
	if !ok {
		o.failed.Store(true)
	}
	return o.open.Add(-1) == 0
}

// part is a piece of a decoded object.
type part struct {
	from       *objectInFlight
	updates    []movie.Update
	rejections []movie.Rejection
	size       int  // bytes
	last       bool // of its object
	ok         bool // last, and all of the object was read
}

// A fetcher sends a part when it holds partItems items or partBytes bytes: few enough that
// large objects do not pile up in memory, many enough that small ones do not cost a channel
// operation for each update.
const (
	partItems = 64
	partBytes = 256 << 10
	// pendingBytes bounds the parts that wait for a batch, one of which may hold an update
	// of a megabyte.
	pendingBytes = 4 << 20
)

// An object of more than largeObject bytes may hold updates of up to 1 MiB. At most
// largeAtOnce of them, and half of Concurrency, are read at a time; up to largeWaiting are
// read or wait, and then the listing waits. A compressed object takes as much whatever its
// size, besides 8 MiB for zstd, and a message may not tell a size: at most unexpectedAtOnce
// of these are decoded at a time.
const (
	largeObject      = 128 << 10
	largeAtOnce      = 8
	largeWaiting     = 1000
	unexpectedAtOnce = 4
)

// fetchAll reads Concurrency objects at a time, fewer if the store asks for fewer.
func (p *pass) fetchAll(objects <-chan candidate, parts chan<- part) {
	var fetchers sync.WaitGroup
	large := make(chan struct{}, min(largeAtOnce, max(p.worker.options.Concurrency/2, 1)))
	waiting := make(chan struct{}, largeWaiting)
	gate := newGate(p.worker.readsAtOnce)
	fetch := func(o candidate) {
		gate.enter()
		defer gate.leave()
		p.fetch(o, parts)
	}
	for range p.worker.options.Concurrency {
		fetchers.Go(func() {
			for o := range objects {
				if !isLarge(o.Size) {
					fetch(o)
					continue
				}
				waiting <- struct{}{}
				fetchers.Go(func() {
					defer func() { <-waiting }()
					large <- struct{}{}
					defer func() { <-large }()
					fetch(o)
				})
			}
		})
	}
	fetchers.Wait()
}

// isLarge reports whether a size is known to be large.
func isLarge(size int64) bool { return size > largeObject }

// enterUnexpected waits until an object that takes more memory than expected may be decoded,
// or until the worker gives up. The caller must call leave after it.
func (p *pass) enterUnexpected() (leave func()) {
	if send(p.hard, p.unexpected, struct{}{}) != nil {
		return func() {} // its first part will not be sent
	}
	return func() { <-p.unexpected }
}

// peek returns the beginning of a body, and a reader of all of it.
func peek(body io.Reader) (begin []byte, all io.Reader) {
	begin = make([]byte, decode.MagicBytes)
	n := 0
	for n < len(begin) {
		more, err := body.Read(begin[n:])
		n += more
		if err != nil {
			body = failed{err}
			break
		}
	}
	return begin[:n], io.MultiReader(bytes.NewReader(begin[:n]), body)
}

// failed is a reader that has failed.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// readsAtOnce returns how many objects may be read at a time at present.
func (w *Worker) readsAtOnce() int {
	if s, ok := w.options.Store.(bucket.Limited); ok {
		return min(s.Concurrency(), w.options.Concurrency)
	}
	return w.options.Concurrency
}

// fetch opens one object and decodes it, unless the pass takes nothing new.
func (p *pass) fetch(listed candidate, parts chan<- part) {
	if p.stop.Err() != nil {
		p.leave(listed.LastModified)
		return
	}
	key := listed.Key
	ctx, span := p.startObjectSpan(listed)
	object, body, err := p.get(ctx, key)
	switch {
	case listed.otherKey != "" && (errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrDenied)):
		span.end(endGone, nil)
		if errors.Is(err, bucket.ErrDenied) {
			listed.deniedKey, listed.denial = key, err
		}
		listed.Key, listed.otherKey = listed.otherKey, ""
		p.fetch(listed, parts)
		return
	case errors.Is(err, bucket.ErrNotFound) && listed.denial == nil:
		p.gone(listed, span)
		return
	case err != nil:
		if errors.Is(err, bucket.ErrNotFound) {
			key, err = listed.deniedKey, listed.denial
			listed.Key = key
		}
		p.leave(listed.LastModified)
		p.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)
		p.denied(listed, err)
		span.end(endLeft, err)
		return
	}
	defer func() { _ = body.Close() }() // it was read to its end, or its error is known
	if err := storable(object.Ref); err != nil {
		p.leave(object.LastModified)
		p.failRead(ctx, bucket.Ref{Key: key, ETag: listed.ETag}, err)
		span.end(endLeft, err)
		return
	}
	if bucket.Ignored(object) { // an empty folder marker has replaced it since the listing
		p.gone(listed, span)
		return
	}
	span.read(object)
	// The stamp and the ETag come from the GET, never from the LIST or a message: the
	// object may have been overwritten in between.
	from := &objectInFlight{Ref: object.Ref, messages: listed.messages, modified: object.LastModified, span: span}
	from.open.Store(1)
	begin, all := peek(body)
	if !isLarge(listed.Size) && (decode.IsCompressed(begin) || isLarge(object.Size) || object.Size < 0) {
		defer p.enterUnexpected()()
	}
	p.decode(ctx, from, all, parts)
}

// decode sends the updates and rejections of one object in parts. A part that is not sent
// leaves the object unsettled, so it stays in the bucket.
func (p *pass) decode(ctx context.Context, from *objectInFlight, body io.Reader, parts chan<- part) {
	stamp := movie.Stamp{Time: movie.At(from.modified), Key: from.Key}
	next := part{from: from}
	updates, rejections := 0, 0
	err := read(body, func(item decode.Item) error {
		next.add(item, stamp)
		p.noteIgnored(ctx, from.Key, item.Ignored)
		if item.Reason == "" {
			updates++
		} else {
			rejections++
		}
		if len(next.updates)+len(next.rejections) < partItems && next.size < partBytes {
			return nil
		}
		full := next
		next = part{from: from}
		if err := p.sendPart(parts, full); err != nil || !p.aborted() {
			return err
		}
		return errCatalogueAway // the rest cannot be committed either
	})
	from.span.decoded(updates, rejections, err)
	switch {
	case errors.Is(err, errCatalogueAway):
	case err != nil:
		p.failRead(ctx, from.Ref, err)
	default:
		p.worker.progress.objects.Add(1)
		p.worker.lastRead.Store(time.Now().UnixNano())
		p.worker.metrics.read.Inc()
	}
	next.last, next.ok = true, err == nil
	if err := p.sendPart(parts, next); err != nil {
		from.span.end(endLeft, err)
	}
}

// read is decode.Read, but a panic is an error of this object alone: if the process ended, it
// would read the object again after its start, and so for ever.
func read(body io.Reader, each func(decode.Item) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return decode.Read(body, each)
}

// sendPart sends a part once there is room for its bytes; batchAll gives the room back.
func (p *pass) sendPart(parts chan<- part, next part) error {
	if err := p.room.Acquire(p.hard, next.weight()); err != nil {
		return err
	}
	return send(p.hard, parts, next)
}

// weight returns the room that a part takes while it waits.
func (n *part) weight() int64 { return int64(min(n.size, pendingBytes)) }

func (p *pass) get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	ctx, span := p.worker.tracer.Start(ctx, "get", trace.WithSpanKind(trace.SpanKindClient))
	object, body, err := p.worker.options.Store.Get(ctx, key)
	endWith(span, err)
	return object, body, err
}

// storable returns an error if the key or the ETag is too long for the database.
func storable(ref bucket.Ref) error {
	switch {
	case len(ref.Key) > bucket.MaxKey:
		return fmt.Errorf("its key has %d bytes, expected at most %d: rename the object", len(ref.Key), bucket.MaxKey)
	case len(ref.ETag) > bucket.MaxETag:
		return fmt.Errorf("its ETag has %d bytes, expected at most %d: use a server whose ETags are shorter", len(ref.ETag), bucket.MaxETag)
	}
	return nil
}

// gone records that somebody else has removed an object before it was read. A generation that
// one listing after the other has, and GET never, is a fault of the server.
func (p *pass) gone(o candidate, span *objectSpan) {
	if p.listing && p.worker.ghosts.add(generation{o.Ref, o.LastModified.UnixNano()}) > maxGone {
		err := fmt.Errorf("read %q: listed again and again, but GET does not find it", o.Key)
		p.rest(o.Ref)
		p.fail(err, func(c *counts) { c.ReadFailed++ })
		span.end(endLeft, err)
		return
	}
	p.count(func(c *counts) { c.Gone++ })
	p.settle(o.messages)
	span.end(endGone, nil)
}

// generation is one writing of an object. A content that comes again has the same ETag.
type generation struct {
	bucket.Ref
	modified int64 // Unix nanoseconds
}

// maxGone is how often a listed generation may be gone: a listing may have begun before
// another worker's delete.
const maxGone = 3

// failRead records that an object could not be read. A file that is still being written
// is no failure.
func (p *pass) failRead(ctx context.Context, ref bucket.Ref, err error) {
	key := ref.Key
	if errors.Is(err, bucket.ErrSettling) || errors.Is(err, bucket.ErrChanged) {
		p.worker.logger.DebugContext(ctx, "object is still being written; the next pass reads it", "key", key, "error", err)
		p.settling(key)
		return
	}
	p.rest(ref)
	p.worker.metrics.readFailures.Inc()
	p.worker.logger.DebugContext(ctx, "object not read; a later pass retries", "key", key, "error", err)
	p.fail(fmt.Errorf("read %q: %w", key, err), func(c *counts) { c.ReadFailed++ })
}

// add appends a decoded item as an update or as a rejection.
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
