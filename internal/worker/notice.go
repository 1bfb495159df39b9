package worker

import (
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/queue"
)

// notice is a message in hand. It is deleted when all the objects that it names
// are settled: deleted, gone, or overwritten. What failed is never settled, so its
// message comes again.
type notice struct {
	queue.Message
	received trace.SpanContext
	open     atomic.Int32 // objects that are not settled
}

// settle notes an object that nothing is left to do with.
func (p *pass) settle(notices []*notice) {
	for _, n := range notices {
		if n.open.Add(-1) == 0 {
			p.settled <- n.Message // it is read to the end, whatever happens
		}
	}
}

// Settled messages are deleted when there are this many, or when the first of them
// has waited this long: SQS takes money for each request.
const (
	messagesMost = 100
	messageAge   = time.Second
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
			if group = append(group, one); len(group) == messagesMost {
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
	ctx, span := p.tellSettled(len(messages))
	err := p.Hints.Queue.Delete(ctx, messages)
	endWith(span, err)
	if err != nil {
		p.metrics.messageFailures.Inc()
		p.Logger.Warn("messages not deleted; they come again", "error", err)
		return
	}
	p.metrics.deleted.Add(float64(len(messages)))
}

// open takes a message apart. What is of no use is settled at once.
func (p *pass) open(m queue.Message, received trace.SpanContext) []found {
	events, err := p.Hints.Scope.Events(m.Body)
	if err != nil {
		p.Logger.Info("message ignored, all of it or in part", "reason", err)
	}
	n := &notice{Message: m, received: received}
	var objects []found
	for _, e := range events {
		o := bucket.Object{Ref: bucket.Ref{Key: e.Key}, Size: e.Size, LastModified: e.Time}
		if o.LastModified.IsZero() {
			o.LastModified = time.Now()
		}
		if !bucket.Ignored(o) {
			objects = append(objects, found{Object: o, notices: []*notice{n}})
		}
	}
	n.open.Store(int32(len(objects))) //nolint:gosec // a message is small
	if len(objects) == 0 {
		p.metrics.ignored.Inc()
		p.settled <- m
	}
	return objects
}
