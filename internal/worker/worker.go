// Package worker drains a bucket of movie updates into the catalogue.
//
// Objects go in; committed batches of updates and rejections come out, and then the
// objects are deleted. One pass walks once over the bucket, or reads the objects that
// the messages of a queue name. Its stages run concurrently, joined by channels that
// block while the next stage is slower, so memory is bounded:
//
//	list -> fetch and decode (many) -> batch -> commit (two) -> delete (many)
//
// The order of effects on one object:
//
//  1. GET returns its bytes, its ETag and the LastModified that its updates carry.
//  2. Transactions commit all of its updates and rejections.
//  3. DELETE removes it, on condition that it still has the ETag of step 1.
//  4. The messages that name it are deleted from the queue.
//
// A failure before step 3 leaves the object in the bucket, and a later pass reads it
// again. That does no harm: applying an update twice changes nothing. A failure between
// steps 3 and 4 only makes the messages come again, for an object that is gone.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
)

// Catalogue stores updates. It is safe for concurrent use and does its own retries: the
// worker tries again only in its next pass.
type Catalogue interface {
	// Apply commits a batch in one transaction and returns how many movies readers now see
	// differently. A *movie.RefusedError means that a retry cannot help: the database
	// never accepts the data, or, if Setting, not before a setting of the server is
	// changed. After any other error the batch must be applied again.
	Apply(ctx context.Context, batch movie.Batch) (changes int, err error)
}

// Options configures a worker.
type Options struct {
	Store     bucket.Store
	Catalogue Catalogue
	// Status receives the worker's status after each pass; nil for none.
	Status StatusReporter
	// Prepare runs before the first pass, again and again until it returns nil: it checks
	// that the bucket and the database can be used.
	Prepare func(context.Context) error
	// Prove runs beside the first pass, again and again until it returns nil: it finds out
	// how to delete safely. The worker deletes nothing before. nil if there is nothing to
	// find out.
	Prove func(context.Context) error
	// Concurrency is the number of objects read at a time, Batch the number of updates
	// in a transaction.
	Concurrency, Batch int
	// Shard selects the keys that listings take. Messages are not sharded: the queue
	// already divides them among its receivers.
	Shard Shard
	Hints Hints
	// The pause between passes grows from IdleMin to IdleMax while nothing arrives.
	IdleMin, IdleMax time.Duration
	// ShutdownTimeout limits the time for finishing objects in flight.
	ShutdownTimeout time.Duration
	// Housekeeping runs beside the passes; nil for none.
	Housekeeping Housekeeper
	// Durability returns the settings of the database server that may undo a commit when
	// the server crashes, each with its remedy. It runs with the housekeeping; nil for none.
	Durability func(context.Context) (unsafe []string, err error)
	// ServerTime returns the time of the database server; nil for none. Nothing is pruned by
	// a clock that differs much.
	ServerTime func(context.Context) (time.Time, error)
	// KeepRejections and KeepChanges are the ages at which those rows are deleted.
	KeepRejections, KeepChanges time.Duration
	Logger                      *slog.Logger
	PassLevel, IdleLevel        slog.Level // of the line of each pass; of one without objects, if that is lower
	Metrics                     prometheus.Registerer
	// Tracing receives a span of each object and of each commit; nil for none.
	Tracing trace.TracerProvider
}

// ErrStoppedLate reports that ShutdownTimeout ended before all objects in flight were
// finished.
var ErrStoppedLate = errors.New("the shutdown timeout ended with objects in flight")

// Worker runs passes. Run and Once must not run at the same time; the other methods may
// be called concurrently.
type Worker struct {
	options    Options
	logger     *slog.Logger
	metrics    *metrics
	tracer     trace.Tracer
	progress   progress
	current    atomic.Pointer[pass] // the pass that began last
	history    history
	ignored    ignoredNames
	health     atomic.Pointer[health]
	lastRead   atomic.Int64 // end of the read of an object, in Unix nanoseconds; 0 for never
	lastCommit atomic.Int64 // Unix nanoseconds; 0 for never
	reported   int64        // the commit that was reported last
	deletes    *deletes
	proven     chan struct{} // closed when Prove has ended
	rests      rests
	denials    counter[string]     // of objects that messages name, by key
	overwrites counter[generation] // those that a delete found overwritten
	ghosts     counter[generation] // generations that were listed, and gone
}

// New returns a worker that has not started.
func New(o Options) *Worker {
	w := &Worker{
		options: o, logger: o.Logger, tracer: tracer(o.Tracing), proven: make(chan struct{}),
	}
	w.deletes = newDeletes(o.Concurrency, w.readsAtOnce)
	w.metrics = newMetrics(o.Metrics, w.readsAtOnce, o.Shard)
	close(w.proven)
	w.note(errStarting)
	return w
}

// Run makes passes until ctx is done; then it takes nothing new and finishes the objects
// in flight. It returns ErrStoppedLate if that takes longer than ShutdownTimeout.
func (w *Worker) Run(ctx context.Context) error {
	hard, release := w.hardStop(ctx)
	defer release()
	defer w.deletes.running.Wait()
	end, err := w.begin(ctx, hard)
	if err != nil {
		return nil // stopped before the first pass
	}
	defer end()
	pause := w.options.IdleMin
	schedule := scheduler{worker: w}
	for next := fullListing; ctx.Err() == nil; {
		p := w.pass(ctx, hard, next)
		schedule.observe(ctx, p)
		w.finish(hard, p)
		pause = w.nextPause(pause, p)
		idle := schedule.idle(p, pause)
		p.log(idle)
		if err := p.stoppedLate(); err != nil {
			return err
		}
		sleep(ctx, jitter(idle))
		next = schedule.next(ctx)
	}
	return w.endDeletes()
}

// Once lists until the bucket is empty. If a whole pass makes no progress, it returns an
// error that names what remains and why.
func (w *Worker) Once(ctx context.Context) error {
	hard, release := w.hardStop(ctx)
	defer release()
	end, err := w.begin(ctx, hard)
	if err != nil {
		return nil // stopped before the first pass
	}
	defer end()
	removed, idle := time.Now(), 0 // passes since then that have removed nothing
	for {
		p := w.pass(ctx, hard, plan{source: (*pass).list, awaitDeletes: true})
		w.finish(hard, p)
		p.log(0)
		late := p.stoppedLate()
		if idle++; p.counts.Removed+p.counts.Changes > 0 {
			removed, idle = time.Now(), 0
		}
		settling := p.counts.Settling > 0 && p.fatal == nil
		switch {
		case late != nil:
			return late
		case ctx.Err() != nil:
			return nil
		case p.counts.Listed == 0 && p.counts.failed() == 0: // a failed listing does not prove the bucket empty
			return p.err() // of a part that cannot be listed
		case !p.progressed() && !settling, idle > maxGone && time.Since(removed) > onceQuiet:
			return fmt.Errorf("no progress; objects that remain: %d: %w", p.counts.waiting(), p.whyWaiting())
		case settling && p.counts.failed() > 0:
			sleep(ctx, max(settlePause, w.options.IdleMin))
		case settling:
			sleep(ctx, settlePause)
		}
	}
}

// settlePause is how long Once waits for files that are still being written.
const settlePause = 250 * time.Millisecond

// onceQuiet is how long Once waits while files are still being written, and while objects
// are gone before it reads them.
const onceQuiet = time.Minute

// hardStop returns a context that is done ShutdownTimeout after ctx.
func (w *Worker) hardStop(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unwatch := context.AfterFunc(ctx, func() {
		sleep(hard, w.options.ShutdownTimeout)
		cancel()
	})
	return hard, func() { unwatch(); cancel() }
}

// begin waits until the bucket and the database can be used, and starts Prove and the
// housekeeping. end stops both.
func (w *Worker) begin(ctx, hard context.Context) (end func(), err error) {
	if err := w.retry(ctx, w.options.Prepare); err != nil {
		return nil, err
	}
	w.note(errStarting)
	proving, cancel := context.WithCancel(hard)
	if w.options.Prove != nil {
		proven := make(chan struct{})
		w.proven = proven
		go func() {
			defer close(proven)
			_ = w.retry(proving, w.options.Prove) // fails only when hard is done, and then every delete fails
		}()
	}
	stopHousekeeping := w.keepHouse(ctx)
	return func() { cancel(); <-w.proven; stopHousekeeping() }, nil
}

// retry calls try until it returns nil or ctx is done: the worker waits for a server that
// is unreachable at its start, as for one that becomes unreachable later.
func (w *Worker) retry(ctx context.Context, try func(context.Context) error) error {
	for pause := w.options.IdleMin; ; pause = min(2*pause, w.options.IdleMax) {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		w.note(err)
		w.logger.Warn("bucket or database cannot be used yet; retrying", "error", err, "retry_in", pause.String())
		sleep(ctx, jitter(pause))
	}
}

// nextPause returns IdleMin after a pass that made progress, else twice the last pause.
func (w *Worker) nextPause(pause time.Duration, p *pass) time.Duration {
	if p.progressed() || p.counts.Settling > 0 && p.counts.failed() == 0 {
		return w.options.IdleMin
	}
	return min(2*pause, w.options.IdleMax)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// jitter changes d by up to 10 %, so that workers that started together spread out.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // needs no secure randomness
}
