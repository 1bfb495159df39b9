package worker

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/queue"
)

// Hints say where to learn of new objects without listing.
type Hints struct {
	// Queue has messages of S3; nil means that there are none.
	Queue queue.Queue
	// Name is what spans call it.
	Name string
	// Scope is the bucket, and the keys that count.
	Scope queue.Scope
	// Reconcile is the time between listings, which find what messages have missed.
	Reconcile time.Duration
}

const (
	// hintWait is how long a worker waits for a message: the longest that SQS knows,
	// and the pause between passes.
	hintWait = 20 * time.Second
	// hintMore is how long a pass waits for more. Less would not look everywhere.
	hintMore = time.Second
	// hintTime is how long a pass takes messages, so that it comes to an end and
	// tells how it went.
	hintTime = 10 * time.Second
	// maxReceives is how many requests for messages a pass makes side by side.
	maxReceives = 4
	// maxPostponed is how many objects are put off before a pass ends.
	maxPostponed = 1000
)

// schedule says what the next pass takes, where there is a queue. Passes come one
// at a time, and nobody else knows it.
type schedule struct {
	list   time.Time     // when the next listing is due
	listed time.Time     // when the last one began
	relist time.Duration // the pause before the next one, if the last one left something
	away   bool          // the queue does not answer
	retry  time.Duration // the pause before it is asked again
	ask    time.Time     // when that is
	// later are objects that were named while they were in hand.
	later []candidate
	// left is what the last listing left in the bucket, and the oldest of it.
	left   int
	oldest *time.Time
}

// rest is the pause after a pass; it returns what the next one takes.
func (w *Worker) rest(ctx context.Context, last *pass, pause time.Duration) source {
	if w.Hints.Queue == nil {
		sleep(ctx, jitter(pause))
		return (*pass).list
	}
	w.planListing(last)
	if w.next.away || last.broken != nil { // messages taken now would only wait
		sleep(ctx, jitter(pause))
	}
	untilList, wait := time.Until(w.next.list), time.Duration(0)
	switch {
	case w.next.away && time.Until(w.next.ask) > 0, !w.next.away && untilList <= 0:
		return (*pass).list
	case w.next.away:
	case len(w.next.later) > 0:
		return hinted(answer{})
	default:
		wait = min(hintWait, (untilList + time.Second - 1).Truncate(time.Second))
	}
	a := w.receive(ctx, wait)
	w.heard(ctx, a)
	if a.err != nil {
		return (*pass).list
	}
	return hinted(a)
}

// planListing sets the time of the next listing. One that left something is
// repeated soon, and then more and more seldom.
func (w *Worker) planListing(last *pass) {
	if !last.listing {
		if soon := later(w.next.listed.Add(w.IdleMax), time.Now().Add(w.IdleMin)); last.doubtful.Load() && soon.Before(w.next.list) {
			w.next.list = soon // messages that are of no use do not make listings more frequent than this
		}
		return
	}
	w.next.listed = last.start
	w.next.left, w.next.oldest = last.Waiting(), last.oldest
	if last.Waiting()+last.Failed() == 0 {
		w.next.relist = 0
		w.next.list = time.Now().Add(w.Hints.Reconcile)
		return
	}
	w.next.relist = min(max(2*w.next.relist, w.IdleMin), w.Hints.Reconcile)
	w.next.list = time.Now().Add(w.next.relist)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// answer is what the queue says.
type answer struct {
	messages []queue.Message
	err      error
	span     trace.SpanContext // of the receive
}

// receive asks the queue.
func (w *Worker) receive(ctx context.Context, wait time.Duration) answer {
	start := time.Now()
	messages, err := w.Hints.Queue.Receive(ctx, wait)
	return answer{messages, err, w.receiveSpan(ctx, start, len(messages), err)}
}

// heard notes an answer. When the queue does not answer, it is left alone for a
// while, and the worker lists as if there were none. It does so in any case: messages
// may be lost with an answer, and come again only after their visibility timeout.
func (w *Worker) heard(ctx context.Context, a answer) {
	switch {
	case a.err == nil:
		if w.next.away {
			w.Logger.Info("the queue answers again")
		}
		w.next.away, w.next.retry = false, 0
		w.metrics.received.Add(float64(len(a.messages)))
	case ctx.Err() == nil:
		w.next.away, w.next.retry = true, min(max(2*w.next.retry, w.IdleMin), w.IdleMax)
		w.next.ask = time.Now().Add(jitter(w.next.retry))
		w.next.list = time.Now()
		w.metrics.receiveFailures.Inc()
		w.Logger.Warn("the queue does not answer; the bucket is listed meanwhile", "error", a.err, "retry", w.next.retry.String())
	}
}

// hinted is the source that takes the messages of an answer, and more as long as
// there are any, for a while.
func hinted(a answer) source {
	return func(p *pass, objects chan<- candidate) {
		n := names{pass: p, objects: objects, begun: make(map[string]bool)}
		later := p.worker.next.later
		p.worker.next.later = nil
		if n.send(later) && len(a.messages) > 0 && n.take(a) {
			n.takeMore()
		}
	}
}

// takeMore takes messages until there are none, or time is up. As long as they come
// ten at a time, which is all that an answer holds, more is asked for side by side.
func (n names) takeMore() {
	answers := make(chan answer)
	under, most, more := 0, 1, true
	for {
		for ; more && under < most; under++ {
			go func() { answers <- n.pass.worker.receive(n.pass.stop, hintMore) }()
		}
		if under == 0 {
			return
		}
		a := <-answers
		under--
		if a.err == nil || !n.pass.worker.next.away { // one failure tells it all
			n.pass.worker.heard(n.pass.stop, a)
		}
		more = n.take(a) && len(a.messages) > 0 && more
		most = 1
		if len(a.messages) == queue.MaxMessages {
			most = min(under+2, maxReceives)
		}
	}
}

// names are the objects that the messages of a pass name.
type names struct {
	pass    *pass
	objects chan<- candidate
	begun   map[string]bool
}

// take sends what messages name, and tells whether the pass has time for more.
func (n names) take(a answer) bool {
	for _, m := range a.messages {
		if !n.send(n.pass.open(m, a.span)) {
			return false
		}
	}
	return time.Since(n.pass.start) < hintTime && time.Until(n.pass.worker.next.list) > 0 && len(n.pass.worker.next.later) < maxPostponed
}

// send sends objects, each key once a pass: a hint may tell of what came after the
// object in hand was read, so it is put off to the next pass. False means that
// nothing more is to be taken.
func (n names) send(objects []candidate) bool {
	for _, o := range objects {
		if n.begun[o.Key] {
			n.putOff(o)
			continue
		}
		n.begun[o.Key] = true
		n.pass.count(func(c *counts) { c.Listed++ })
		select {
		case n.objects <- o:
		case <-n.pass.stop.Done():
			n.pass.leave(o.LastModified)
			return false
		}
	}
	return true
}

// putOff joins the hints of one key: the next pass reads it once for all of them.
func (n names) putOff(o candidate) {
	for i, other := range n.pass.worker.next.later {
		if other.Key == o.Key {
			n.pass.worker.next.later[i].messages = append(other.messages, o.messages...)
			return
		}
	}
	n.pass.worker.next.later = append(n.pass.worker.next.later, o)
}
