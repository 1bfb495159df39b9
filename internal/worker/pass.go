package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"jpmovies/internal/queue"
)

// plan says what a pass reads.
type plan struct {
	source source
	// rests leaves out generations that have failed a moment ago.
	rests bool
	// awaitDeletes makes the pass wait for all of its deletes, however slow they are.
	awaitDeletes bool
	// receiveUntil is when the pass stops receiving messages; known is the backlog that
	// the last listing found. Both are zero when the pass lists.
	receiveUntil time.Time
	known        backlog
}

// source sends a pass the objects that it is to read.
type source func(p *pass, objects chan<- candidate)

// fullListing is the plan of a pass over the whole bucket.
var fullListing = plan{source: (*pass).list, rests: true}

// pass is the state of one pass. While its stages run, mu guards the fields below it, and
// only the source uses the fields that it writes. The other fields are set before the
// stages start, and are safe for concurrent use.
type pass struct {
	worker *Worker
	plan   plan
	start  time.Time
	// stop ends the intake of objects; hard ends everything at once.
	stop, hard context.Context
	abort      context.CancelCauseFunc // ends stop
	unexpected chan struct{}           // slots of objects that take more than expected
	room       *semaphore.Weighted     // bytes of the parts that wait for a batch
	over       chan struct{}           // closed when the pass counts no more deletes

	// Written by the source.
	listing   bool        // the pass listed the bucket
	cutShort  bool        // the stop ended the listing: more may wait than is counted
	postponed []candidate // named by a message while they were in flight
	queueErr  error       // why the queue did not answer

	unclear atomic.Bool        // a message was not usable, so a listing is due soon
	settled chan queue.Message // messages to delete

	mu       sync.Mutex
	counts   counts
	oldest   *time.Time // LastModified of the oldest object known to stay in the bucket
	failures []error    // of single objects: the first few
	fatal    error      // why the bucket or the catalogue could not be used

	unsettled string // the key of a settling object
}

// counts holds the counters of one pass.
type counts struct {
	// Listed counts the objects of this shard, or those that messages name. Among them are
	// Settling ones, which may still be being written, and Deleting ones, which an earlier
	// pass is deleting, and Resting ones, which have failed a moment ago.
	Listed, Settling, Deleting, Resting int
	// Updates and Rejections were committed; Changes is how many movies readers see differently.
	Updates, Rejections, Changes int
	// Removed objects were deleted by this pass, and Gone ones by somebody else.
	// Overwritten ones survived their delete.
	Removed, Gone, Overwritten int
	// ReadFailed counts objects, and 1 for a failed listing; RemoveFailed counts objects;
	// CommitFailed counts batches, and each update or rejection that hold keeps. All are
	// retried.
	ReadFailed, RemoveFailed, CommitFailed int
}

// failed returns how many attempts must be repeated.
func (c counts) failed() int { return c.ReadFailed + c.RemoveFailed + c.CommitFailed }

// waiting returns how many listed objects are still in the bucket.
func (c counts) waiting() int { return c.Listed - c.Removed - c.Gone }

// backlog is how many objects are known to wait in the bucket, and the LastModified of the
// oldest; nil if none waits.
type backlog struct {
	objects int
	oldest  *time.Time
}

// pass runs all stages of one pass and returns its results. It takes nothing new when
// stop is done, and gives up when hard is done.
func (w *Worker) pass(stop, hard context.Context, next plan) *pass {
	p := &pass{
		worker: w, plan: next, start: time.Now(), hard: hard,
		unexpected: make(chan struct{}, unexpectedAtOnce), room: semaphore.NewWeighted(pendingBytes), over: make(chan struct{}), settled: make(chan queue.Message, maxMessages),
	}
	p.stop, p.abort = context.WithCancelCause(stop)
	defer p.abort(nil)
	w.current.Store(p)

	objects := make(chan candidate, w.options.Concurrency)
	parts := make(chan part, w.options.Concurrency)
	batches := make(chan *batch)
	committed := make(chan []*objectInFlight, maxPendingCommits)

	var stages sync.WaitGroup
	stages.Go(func() { next.source(p, objects); close(objects) })
	stages.Go(func() { p.fetchAll(objects, parts); close(parts) })
	stages.Go(func() { p.batchAll(parts, batches); close(batches) })
	stages.Go(func() { p.commitAll(batches, committed); close(committed) })
	stages.Go(func() { p.removeAll(committed); close(p.settled) })
	stages.Go(p.deleteSettled)
	stages.Wait()
	return p
}

// backlog returns the known backlog at the end of the pass. A pass over messages sees only a
// part of the bucket, so it takes the last listing into account.
func (p *pass) backlog() backlog {
	known := p.plan.known
	return backlog{max(p.counts.waiting(), known.objects), earlier(p.oldest, known.oldest)}
}

// earlier returns the earlier of two times; nil means none.
func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// count changes the counters under their lock.
func (p *pass) count(change func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
}

// settling records that an object may still be being written.
func (p *pass) settling(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Settling++
	p.unsettled = key
}

// maxFailures is how many failures a pass keeps for its error.
const maxFailures = 5

// fail records the failure of one object, which stays in the bucket.
func (p *pass) fail(err error, change func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, err)
	}
}

// failWhole records why the pass as a whole cannot go on.
func (p *pass) failWhole(err error, change func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
	if p.fatal == nil {
		p.fatal = err
	}
}

// leave records that an object stays in the bucket.
func (p *pass) leave(modified time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oldest = earlier(p.oldest, &modified)
}

// err joins the recorded failures of single objects.
func (p *pass) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.failures...)
}

// whyWaiting returns why objects remain.
func (p *pass) whyWaiting() error {
	if err := errors.Join(p.fatal, p.err()); err != nil {
		return err
	}
	if p.counts.Settling > 0 {
		return fmt.Errorf("%d may still be being written, such as %q", p.counts.Settling, p.unsettled)
	}
	if p.counts.Gone > 0 {
		return fmt.Errorf("%d were gone when they were read, again and again", p.counts.Gone)
	}
	return errors.New("each was overwritten before its delete; stop the producer that writes the same keys, or run again")
}

// stoppedLate returns ErrStoppedLate if the shutdown timeout ended the pass with objects
// in flight.
func (p *pass) stoppedLate() error {
	if p.hard.Err() == nil || p.counts.waiting() == 0 {
		return nil
	}
	least := ""
	if p.cutShort {
		least = "at least "
	}
	return fmt.Errorf("%w: %s%d objects stay in the bucket and will be read again", ErrStoppedLate, least, p.counts.waiting())
}

// aborted reports whether a commit failed in this pass.
func (p *pass) aborted() bool { return errors.Is(context.Cause(p.stop), errCatalogueAway) }

func (p *pass) progressed() bool { return p.counts.Removed+p.counts.Gone+p.counts.Changes > 0 }

// log writes the one line of the pass. The worker sleeps for idle before the next one.
func (p *pass) log(idle time.Duration) {
	c := p.counts
	attrs := []slog.Attr{
		slog.Int("objects", c.Listed), slog.Int("updates", c.Updates), slog.Int("changes", c.Changes),
		slog.Int("rejections", c.Rejections), slog.Int("waiting", c.waiting()),
		slog.String("took", time.Since(p.start).Round(time.Millisecond).String()),
	}
	for _, rare := range []slog.Attr{
		slog.Int("overwritten", c.Overwritten), slog.Int("gone", c.Gone), slog.Int("settling", c.Settling),
		slog.Int("deleting", c.Deleting), slog.Int("resting", c.Resting), slog.Int("failed", c.failed()),
	} {
		if rare.Value.Int64() != 0 {
			attrs = append(attrs, rare)
		}
	}
	if p.cutShort {
		attrs = append(attrs, slog.Bool("listing_cut_short", true))
	}
	if idle > 0 {
		attrs = append(attrs, slog.String("sleep", idle.String()))
	}
	level := p.worker.options.PassLevel
	if c.Listed == 0 {
		level = min(level, p.worker.options.IdleLevel)
	}
	p.worker.logger.LogAttrs(p.hard, level, fmt.Sprintf("pass: %d updates from %d objects", c.Updates, c.Removed), attrs...)
}
