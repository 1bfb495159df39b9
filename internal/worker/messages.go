package worker

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/queue"
)

// pendingMessage is a message in hand. It is deleted when all the objects that it names
// are settled: deleted, gone, or overwritten. What failed is never settled, so its
// message comes again.
type pendingMessage struct {
	queue.Message
	received trace.SpanContext
	open     atomic.Int32 // objects that are not settled
}

// settle notes an object that nothing is left to do with.
func (p *pass) settle(messages []*pendingMessage) {
	for _, n := range messages {
		if n.open.Add(-1) == 0 {
			p.settled <- n.Message // it is read to the end, whatever happens
		}
	}
}

// Settled messages are deleted when there are this many, or when the first of them
// has waited this long: SQS takes money for each request.
const (
	maxMessages = 100
	messageAge  = time.Second
)

// deleteSettled deletes settled messages in groups.
func (p *pass) deleteSettled() {
	var group []queue.Message
	timer := time.NewTimer(messageAge)
	timer.Stop()
	flush := func() {
		timer.Stop()
		if len(group) > 0 {
			p.deleteMessages(group)
			group = nil
		}
	}
	for {
		select {
		case one, more := <-p.settled:
			if !more {
				flush()
				return
			}
			if len(group) == 0 {
				timer.Reset(messageAge)
			}
			if group = append(group, one); len(group) == maxMessages {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

// deleteMessages deletes what is settled. A message that survives does no harm:
// it comes again, and its objects are gone.
func (p *pass) deleteMessages(messages []queue.Message) {
	ctx, span := p.deleteMessagesSpan(len(messages))
	err := p.worker.Hints.Queue.Delete(ctx, messages)
	endWith(span, err)
	if err != nil {
		p.worker.metrics.messageFailures.Inc()
		p.worker.Logger.Warn("messages not deleted; they come again", "error", err)
		return
	}
	p.worker.metrics.deleted.Add(float64(len(messages)))
}

// open takes a message apart. What is of no use is settled at once.
func (p *pass) open(m queue.Message, received trace.SpanContext) []candidate {
	events, err := p.worker.Hints.Scope.Events(m.Body)
	switch {
	case errors.Is(err, queue.ErrNotUnderstood):
		p.worker.metrics.notUnderstood.Inc()
		p.doubtful.Store(true)
		p.worker.Logger.Warn("message not understood, all of it or in part; the bucket is listed soon", "reason", err, "found", beginning(m.Body))
	case err != nil:
		p.worker.Logger.Info("message ignored, all of it or in part", "reason", err)
	}
	n := &pendingMessage{Message: m, received: received}
	var objects []candidate
	for _, e := range events {
		o := bucket.Object{Ref: bucket.Ref{Key: e.Key}, Size: e.Size, LastModified: e.Time}
		if o.LastModified.IsZero() {
			o.LastModified = time.Now()
		}
		if o.Size == 0 {
			o.Size = -1 // not known: what was an empty folder marker may hold updates by now
		}
		if !bucket.Ignored(o) {
			objects = append(objects, candidate{Object: o, messages: []*pendingMessage{n}, other: e.Other})
		}
	}
	n.open.Store(int32(len(objects))) //nolint:gosec // a message is small
	if len(objects) == 0 {
		p.worker.metrics.ignored.Inc()
		p.settled <- m
	}
	return objects
}

// beginning is what a log line shows of a message.
func beginning(body string) string {
	const most = 300
	if len(body) > most {
		body = body[:most] + "..."
	}
	return strings.ToValidUTF8(body, "?")
}

const (
	// maxRefusals is how often an object that a message names may be refused.
	maxRefusals = 5
	// refusalsKept is how many such objects are remembered.
	refusalsKept = 10_000
)

// refused notes that the store refuses an object which a message names. It answers
// so for keys that are gone, too, where it may not tell. Such a message would come
// for ever, so after maxRefusals it goes; a listing finds the object if it is there.
func (p *pass) refused(o candidate, err error) {
	if len(o.messages) == 0 || !errors.Is(err, bucket.ErrDenied) || !p.worker.refusals.enough(o.Key) {
		return
	}
	p.worker.metrics.givenUp.Inc()
	p.doubtful.Store(true)
	p.worker.Logger.Warn("object of a message is refused again and again; the message is deleted and the bucket is listed soon",
		"key", o.Key, "error", err)
	p.settle(o.messages)
}

// refusals counts how often objects were refused.
type refusals struct {
	mu    sync.Mutex
	times map[string]int
}

// enough counts a refusal, and tells whether it was the last to wait for.
func (r *refusals) enough(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times == nil || len(r.times) == refusalsKept {
		r.times = make(map[string]int)
	}
	r.times[key]++
	if r.times[key] < maxRefusals {
		return false
	}
	delete(r.times, key)
	return true
}
