package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"jpmovies/internal/queue"
)

// pass is one walk over the bucket, or over what messages name: what it counted,
// and what went wrong.
type pass struct {
	worker  *Worker
	start   time.Time
	settled chan queue.Message // to be deleted
	// stop ends the walk early; hard ends everything at once.
	stop, hard context.Context
	abort      context.CancelCauseFunc

	listing bool // all of the bucket was looked at
	// doubtful: a message could not be used, so a listing has to look.
	doubtful atomic.Bool

	deleting sync.WaitGroup // requests of this pass
	// over says that the pass has ended, and that nothing may be counted any more.
	ending sync.RWMutex
	over   bool

	mu sync.Mutex
	counts
	oldest   *time.Time // LastModified of the oldest object that is left in the bucket
	failures []error    // the first few
	broken   error      // why bucket or catalogue as a whole could not be used
}

// counts of one pass.
type counts struct {
	// Listed objects of this shard, or those that messages name, Settling ones among them.
	Listed, Settling int
	// Deleting objects are left alone, because an earlier pass is still at it.
	Deleting int
	// Updates and Rejections committed, and Changes that readers see.
	Updates, Rejections, Changes int
	// Removed objects; Gone ones had been removed by somebody else; Overwritten
	// ones survived and are read again.
	Removed, Gone, Overwritten int
	// ReadFailed, RemoveFailed and CommitFailed count objects and batches that
	// have to be tried again.
	ReadFailed, RemoveFailed, CommitFailed int
}

// Failed is how many attempts have to be made again.
func (c counts) Failed() int { return c.ReadFailed + c.RemoveFailed + c.CommitFailed }

// Waiting is how many listed objects are still in the bucket.
func (c counts) Waiting() int { return c.Listed - c.Removed - c.Gone }

// source sends a pass the objects that are to be read.
type source func(p *pass, objects chan<- candidate)

// pass works through what comes from a source. When stop is done it takes nothing
// new; when hard is done it gives up.
func (w *Worker) pass(stop, hard context.Context, from source) *pass {
	p := &pass{worker: w, start: time.Now(), hard: hard, settled: make(chan queue.Message, maxMessages)}
	p.stop, p.abort = context.WithCancelCause(stop)
	defer p.abort(nil)
	w.present.Store(p)

	objects := make(chan candidate, w.Concurrency)
	parts := make(chan part, w.Concurrency)
	batches := make(chan *batch)
	done := make(chan []*objectInFlight, maxPendingCommits)

	var stages sync.WaitGroup
	stages.Go(func() { from(p, objects); close(objects) })
	stages.Go(func() { p.fetchAll(objects, parts); close(parts) })
	stages.Go(func() { p.fill(parts, batches); close(batches) })
	stages.Go(func() { p.commitAll(batches, done); close(done) })
	stages.Go(func() { p.removeAll(done); close(p.settled) })
	stages.Go(p.deleteSettled)
	stages.Wait()
	return p
}

// backlog is what is left in the bucket, and the oldest of it, as far as this is
// known: messages name only a part.
func (p *pass) backlog() (waiting int, oldest *time.Time) {
	if p.listing {
		return p.Waiting(), p.oldest
	}
	return max(p.Waiting(), p.worker.next.left), earlier(p.worker.next.oldest, p.oldest)
}

// earlier is the earlier of two times, of which nil is none.
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

// maxFailures is how many failures of a pass are kept for its error.
const maxFailures = 5

// fail notes a failure that left something in the bucket.
func (p *pass) fail(err error, change func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, err)
	}
}

// breakOff notes why the whole pass cannot go on.
func (p *pass) breakOff(err error, change func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
	if p.broken == nil {
		p.broken = err
	}
}

// leave notes an object that stays in the bucket.
func (p *pass) leave(modified time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oldest = earlier(p.oldest, &modified)
}

// err joins the failures of single objects.
func (p *pass) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.failures...)
}

// why says why objects remain.
func (p *pass) why() error {
	if err := errors.Join(p.broken, p.err()); err != nil {
		return err
	}
	return errors.New("they were overwritten again and again")
}

// aborted tells whether the catalogue went away in this pass.
func (p *pass) aborted() bool { return errors.Is(context.Cause(p.stop), errCatalogueAway) }

func (p *pass) progressed() bool { return p.Removed+p.Gone+p.Changes > 0 }

// log writes the one line of the pass.
func (p *pass) log(pause time.Duration) {
	attrs := []slog.Attr{
		slog.Int("objects", p.Listed), slog.Int("updates", p.Updates), slog.Int("changes", p.Changes),
		slog.Int("rejections", p.Rejections), slog.Int("waiting", p.Waiting()),
		slog.String("took", time.Since(p.start).Round(time.Millisecond).String()),
	}
	for _, rare := range []slog.Attr{
		slog.Int("overwritten", p.Overwritten), slog.Int("gone", p.Gone), slog.Int("settling", p.Settling),
		slog.Int("deleting", p.Deleting),
		slog.Int("failed", p.Failed()),
	} {
		if rare.Value.Int64() != 0 {
			attrs = append(attrs, rare)
		}
	}
	if pause > 0 && (p.worker.Hints.Queue == nil || p.worker.next.away) { // else the wait for a message is the pause
		attrs = append(attrs, slog.String("sleep", pause.String()))
	}
	p.worker.Logger.LogAttrs(p.hard, slog.LevelInfo, fmt.Sprintf("pass: %d updates from %d objects", p.Updates, p.Removed), attrs...)
}
