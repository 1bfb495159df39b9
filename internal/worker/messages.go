package worker

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/queue"
)

// pendingMessage is a message whose objects are not all settled. An object is settled when
// it is found deleted, gone or overwritten before the pass ends, or was denied maxDenials
// times. The message is deleted when all of its objects are settled. Any other object
// stays unsettled, so its message comes again after the visibility timeout.
type pendingMessage struct {
	message  queue.Message
	received trace.SpanContext
	open     atomic.Int32 // objects that are not settled
}

// settle records that an object of these messages needs no more work.
func (p *pass) settle(messages []*pendingMessage) {
	for _, n := range messages {
		if n.open.Add(-1) == 0 {
			p.settled <- n.message // deleteSettled receives until the channel is closed
		}
	}
}

// Settled messages are deleted in groups of up to maxMessages, each at most messageAge old:
// SQS bills per request.
const (
	maxMessages = 100
	messageAge  = time.Second
)

// deleteSettled deletes settled messages in groups.
func (p *pass) deleteSettled() {
	var group []queue.Message
	away := false
	add := func(m queue.Message) (full bool) {
		group = append(group, m)
		return len(group) == maxMessages
	}
	collect(p.settled, messageAge, add, func() {
		if !away { // the objects of this pass wait for no other try
			err := p.deleteMessages(group)
			away = err != nil && !errors.Is(err, queue.ErrSome)
		}
		group = nil
	})
}

// deleteMessages deletes messages. One that survives does no harm: it comes again, and its
// objects are gone.
func (p *pass) deleteMessages(messages []queue.Message) error {
	ctx, span := p.deleteMessagesSpan(len(messages))
	err := p.worker.options.Hints.Queue.Delete(ctx, messages)
	endWith(span, err)
	if err != nil {
		p.worker.metrics.messageFailures.Inc()
		p.worker.logger.Warn("messages not deleted; they will be received again", "count", len(messages), "error", err)
		return err
	}
	p.worker.metrics.deleted.Add(float64(len(messages)))
	return nil
}

// candidates returns the objects that a message names. It settles a message that names none.
func (p *pass) candidates(m queue.Message, received trace.SpanContext) []candidate {
	events, err := p.worker.options.Hints.Scope.Events(m.Body)
	switch {
	case errors.Is(err, queue.ErrNotUnderstood):
		p.worker.metrics.notUnderstood.Inc()
		p.unclear.Store(true)
		p.worker.logger.Warn("message not understood, or only in part; listing the bucket soon", "reason", err, "message", excerpt(m.Body))
	case err != nil:
		p.worker.logger.Info("message ignored, or a part of it", "reason", err)
	}
	pending := &pendingMessage{message: m, received: received}
	var objects []candidate
	for _, e := range events {
		o := bucket.Object{Ref: bucket.Ref{Key: e.Key}, Size: e.Size, LastModified: e.Time}
		if o.LastModified.IsZero() {
			o.LastModified = time.Now()
		}
		if o.Size == 0 {
			o.Size = -1 // not known: updates may have replaced an empty folder marker
		}
		if !bucket.Ignored(o) {
			objects = append(objects, candidate{Object: o, messages: []*pendingMessage{pending}, otherKey: e.Other})
		}
	}
	pending.open.Store(int32(len(objects))) //nolint:gosec // a message is small
	if len(objects) == 0 {
		p.worker.metrics.ignored.Inc()
		p.settled <- m
	}
	return objects
}

// maxExcerpt is how many bytes of a message a log line shows.
const maxExcerpt = 300

func excerpt(body string) string {
	if len(body) > maxExcerpt {
		body = body[:maxExcerpt] + "..."
	}
	return strings.ToValidUTF8(body, "?")
}

// maxDenials is how often the store may deny an object before its messages are deleted.
const maxDenials = 5

// denied records that the store denies access to an object. S3 also answers so for a key
// that does not exist, unless the caller may list the bucket (GetObject, Permissions). Its
// message would come for ever, so after maxDenials it is deleted; a listing finds the
// object if it exists.
func (p *pass) denied(o candidate, err error) {
	if len(o.messages) == 0 || !errors.Is(err, bucket.ErrDenied) || p.worker.denials.add(o.Key)%maxDenials != 0 {
		return
	}
	p.worker.metrics.givenUp.Inc()
	p.unclear.Store(true)
	p.worker.logger.Warn("store denies an object of a message again and again; deleting the message and listing the bucket soon",
		"key", o.Key, "error", err)
	p.settle(o.messages)
}
