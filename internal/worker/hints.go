package worker

import (
	"context"
	"time"

	"jpmovies/internal/queue"
)

// Hints configures a queue whose messages name new objects, so that the worker rarely lists.
// Messages are hints: they may be lost, so the worker still lists every Reconcile.
type Hints struct {
	// Queue has the event notifications of S3; nil for no queue.
	Queue queue.Queue
	// Name is the queue's name in spans.
	Name string
	// Scope selects the bucket and the keys that count.
	Scope queue.Scope
	// Reconcile is the time between listings.
	Reconcile time.Duration
}

const (
	// hintWait is how long a worker waits for a message between passes: the longest that
	// SQS allows (ReceiveMessage, WaitTimeSeconds).
	hintWait = 20 * time.Second
	// hintTime is how long a pass receives messages, so that it ends and reports.
	hintTime = 10 * time.Second
	// maxPostponed is how many objects a pass postpones before it ends.
	maxPostponed = 1000
)

// scheduler decides what the next pass reads. Only Run uses it, between passes; it needs no
// lock. Without a queue every pass lists. With a queue:
//
//  1. While the queue does not answer, passes list, and from time to time one asks the
//     queue again.
//  2. When a listing is due, the pass lists: Reconcile after a listing that left nothing,
//     sooner if it left something or a message was not understood.
//  3. Postponed objects are read at once.
//  4. Else the worker waits for messages, and the pass reads the objects that they name.
type scheduler struct {
	worker *Worker

	listAt      time.Time // when the next listing is due
	listedAt    time.Time // when the last one began
	relistPause time.Duration
	known       backlog // of the last listing

	down       bool // the queue does not answer
	retryAt    time.Time
	retryPause time.Duration

	postponed []candidate // named by a message while they were in flight
}

// observe takes over the results of a pass.
func (s *scheduler) observe(ctx context.Context, p *pass) {
	s.postponed = append(s.postponed, p.postponed...)
	if p.listing {
		s.planListing(p)
	} else if p.unclear.Load() {
		// Unusable messages make listings no more frequent than every IdleMax.
		soon := later(s.listedAt.Add(s.worker.options.IdleMax), time.Now().Add(s.worker.options.IdleMin))
		s.listAt = sooner(s.listAt, soon)
	}
	if p.queueErr != nil {
		s.queueFailed(ctx, p.queueErr)
	}
}

// planListing sets the time of the next listing. A listing that left something is repeated
// soon, and then with growing pauses; one with failures, after three IdleMax at most: the worker
// sleeps for up to IdleMax after it, and then there must be time for messages.
func (s *scheduler) planListing(last *pass) {
	options := &s.worker.options
	s.listedAt = last.start
	s.known = last.backlog()
	if last.counts.waiting()+last.counts.failed() == 0 {
		s.relistPause = 0
		s.listAt = time.Now().Add(options.Hints.Reconcile)
		return
	}
	s.relistPause = min(max(2*s.relistPause, options.IdleMin), options.Hints.Reconcile)
	if last.fatal != nil || last.counts.failed()+last.counts.Resting > 0 {
		s.relistPause = min(s.relistPause, 3*options.IdleMax)
	}
	s.listAt = time.Now().Add(s.relistPause)
}

// idle returns how long the worker sleeps before it calls next: pause, or 0 if it waits for
// messages instead. After a fatal pass it sleeps, because messages received now would only wait.
func (s *scheduler) idle(last *pass, pause time.Duration) time.Duration {
	if s.worker.options.Hints.Queue != nil && !s.down && last.fatal == nil {
		return 0
	}
	return pause
}

// next returns what the next pass reads. It may wait for a message.
func (s *scheduler) next(ctx context.Context) plan {
	if s.worker.options.Hints.Queue == nil {
		return fullListing
	}
	untilList, wait := time.Until(s.listAt), time.Duration(0)
	switch {
	case s.down && time.Until(s.retryAt) > 0, !s.down && untilList <= 0:
		return fullListing
	case s.down:
	case len(s.postponed) > 0:
		return s.messages(answer{})
	default:
		wait = min(hintWait, (untilList + time.Second - 1).Truncate(time.Second))
	}
	asked := time.Now()
	a := s.worker.receive(ctx, wait)
	if a.err != nil {
		s.queueFailed(ctx, a.err)
		return fullListing
	}
	if s.down {
		s.worker.logger.Info("the queue answers again; receiving messages")
	}
	s.down, s.retryPause = false, 0
	if len(a.messages) == 0 && time.Since(asked) < wait/2 { // some servers do not wait
		sleep(ctx, s.worker.options.IdleMin)
	}
	return s.messages(a)
}

// messages returns the plan of a pass over postponed objects and an answer of the queue.
func (s *scheduler) messages(first answer) plan {
	postponed := s.postponed
	s.postponed = nil
	return plan{
		source:       func(p *pass, objects chan<- candidate) { p.readMessages(postponed, first, objects) },
		receiveUntil: sooner(time.Now().Add(hintTime), s.listAt),
		known:        s.known,
	}
}

// queueFailed makes the worker list until it asks the queue again, after a growing time. Even
// if the queue answers soon, one listing is needed: messages may be lost with an answer, and
// come again only after their visibility timeout.
func (s *scheduler) queueFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	options := &s.worker.options
	s.down, s.retryPause = true, min(max(2*s.retryPause, options.IdleMin), options.IdleMax)
	s.retryAt = time.Now().Add(jitter(s.retryPause))
	s.listAt = time.Now()
	s.worker.metrics.receiveFailures.Inc()
	s.worker.logger.Warn("the queue does not answer; listing the bucket instead", "error", err, "retry_in", s.retryPause.String())
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
