package worker

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/queue"
)

const (
	// receiveWait is how long a pass waits for more messages. With no wait at all, SQS asks
	// only some of its servers (short polling).
	receiveWait = time.Second
	// maxReceives is how many receives of a pass are in flight at a time.
	maxReceives = 4
)

// answer is the result of one receive.
type answer struct {
	messages []queue.Message
	err      error
	span     trace.SpanContext
}

// receive asks the queue for messages.
func (w *Worker) receive(ctx context.Context, wait time.Duration) answer {
	start := time.Now()
	messages, err := w.options.Hints.Queue.Receive(ctx, wait)
	w.metrics.received.Add(float64(len(messages)))
	return answer{messages, err, w.receiveSpan(ctx, start, len(messages), err)}
}

// messageReader sends the objects that messages name. Only the source stage uses it.
type messageReader struct {
	pass    *pass
	objects chan<- candidate
	sent    map[string]bool // keys
}

// readMessages is the source that sends postponed objects, then those that the first answer
// names, and then receives more messages until there are none or the time is up.
func (p *pass) readMessages(postponed []candidate, first answer, objects chan<- candidate) {
	r := messageReader{pass: p, objects: objects, sent: make(map[string]bool)}
	if r.send(postponed) && len(first.messages) > 0 && r.read(first) {
		r.receiveMore()
	}
}

// receiveMore receives while messages come. While answers are full, up to maxReceives
// receives are in flight, as many as there is room for their objects.
func (r *messageReader) receiveMore() {
	answers := make(chan answer)
	inFlight, limit, more := 0, 1, true
	for {
		for ; more && inFlight < limit; inFlight++ {
			go func() { answers <- r.pass.worker.receive(r.pass.stop, receiveWait) }()
		}
		if inFlight == 0 {
			return
		}
		a := <-answers
		inFlight--
		more = r.read(a) && len(a.messages) > 0 && more
		limit = 1
		if len(a.messages) == queue.MaxMessages {
			room := (cap(r.objects) - len(r.objects)) / queue.MaxMessages
			limit = min(inFlight+2, maxReceives, 1+room)
		}
	}
}

// read sends what an answer names, and reports whether the pass may receive more.
func (r *messageReader) read(a answer) (more bool) {
	p := r.pass
	if a.err != nil && p.stop.Err() == nil && p.queueErr == nil { // the end of the pass cancels its receives
		p.queueErr = a.err
	}
	for _, m := range a.messages {
		if !r.send(p.candidates(m, a.span)) {
			return false
		}
	}
	return a.err == nil && time.Now().Before(p.plan.receiveUntil) && len(p.postponed) < maxPostponed
}

// send sends objects, each key once in a pass: a second message may tell of a generation
// that is newer than the one in flight, so the next pass reads it. It returns false if the
// pass takes nothing new.
func (r *messageReader) send(objects []candidate) bool {
	for _, o := range objects {
		if r.sent[o.Key] {
			r.postpone(o)
			continue
		}
		r.sent[o.Key] = true
		r.pass.count(func(c *counts) { c.Listed++ })
		select {
		case r.objects <- o:
		case <-r.pass.stop.Done():
			r.pass.leave(o.LastModified)
			return false
		}
	}
	return true
}

// postpone leaves an object to the next pass, which reads it once for all of its messages.
func (r *messageReader) postpone(o candidate) {
	for i, other := range r.pass.postponed {
		if other.Key == o.Key {
			r.pass.postponed[i].messages = append(other.messages, o.messages...)
			return
		}
	}
	r.pass.postponed = append(r.pass.postponed, o)
}
