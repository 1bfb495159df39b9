// Package worker drains a bucket into the catalogue.
//
// A pass walks once over the bucket, or takes what the messages of a queue name.
// Its stages run at the same time and are joined by channels, which block when the
// next stage is slower, so memory stays bounded:
//
//	list -> fetch and decode (many) -> batch -> commit (two) -> remove
//
// An object goes from the bucket only after every one of its updates is
// committed, and only if it is still the generation that was read. Whatever
// fails in between leaves it where it is, for the next pass; applying an update
// again changes nothing.
package worker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"jpmovies/internal/bucket"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Catalogue is where updates go. Its methods are safe for concurrent use and do
// their own retries: an error is final for this pass.
type Catalogue interface {
	// Apply commits a batch, whole or not at all, and tells how many movies
	// readers now see differently. A *movie.RefusedError says that the data will
	// never be taken; after any other error the batch is to be applied again.
	Apply(ctx context.Context, batch movie.Batch) (changes int, err error)
	// Report stores what the worker tells about itself.
	Report(ctx context.Context, status report.Worker) error
}

// Options of a worker.
type Options struct {
	Store     bucket.Store
	Catalogue Catalogue
	// Prepare is called before the first pass until it returns nil: it finds out
	// whether bucket and database can be used.
	Prepare func(context.Context) error
	// Prove is called beside the first pass until it returns nil: it finds out how to
	// delete. Nothing is deleted before. nil when there is nothing to find out.
	Prove func(context.Context) error
	// Concurrency is the number of objects read at a time, Batch the number of
	// updates in a transaction.
	Concurrency, Batch int
	// Shard is the part of the keys that listings take. Messages are shared by their
	// queue.
	Shard Shard
	Hints Hints
	// The pause between passes grows from IdleMin to IdleMax while nothing comes.
	IdleMin, IdleMax time.Duration
	// ShutdownTimeout is the time to finish what is in hand.
	ShutdownTimeout time.Duration
	// Housekeeping is done beside the passes; nil for none.
	Housekeeping Housekeeper
	// Durability returns the settings of the database's server that may undo a commit
	// when it crashes, each with its cure. Asked with the housekeeping; nil for none.
	Durability func(context.Context) (unsafe []string, err error)
	// KeepRejections and KeepChanges are how long those rows stay.
	KeepRejections, KeepChanges time.Duration
	Logger                      *slog.Logger
	Metrics                     prometheus.Registerer
	// Tracing, when there is any, gets a span of each object and of each commit.
	Tracing trace.TracerProvider
}

// ErrStoppedLate says that the time for finishing ran out.
var ErrStoppedLate = errors.New("the time to finish what was in hand ran out")

// Worker runs passes.
type Worker struct {
	Options
	metrics    *metrics
	tracer     trace.Tracer
	progress   progress
	present    atomic.Pointer[pass] // the last pass that began
	history    history
	ignored    ignoredNames
	health     atomic.Pointer[error]
	lastCommit atomic.Int64 // Unix nanoseconds, 0 = never
	next       schedule
	deletes    deletes
	proven     chan struct{} // closed when Prove has ended
	refusals   refusals
	patient    bool // a pass waits for all of its deletes
}

// New makes a worker.
func New(o Options) *Worker {
	w := &Worker{Options: o, metrics: newMetrics(o.Metrics), tracer: tracer(o.Tracing), proven: make(chan struct{})}
	close(w.proven)
	starting := errors.New("starting")
	w.health.Store(&starting)
	return w
}

// Ready is nil when the last pass could use bucket and database. Single objects
// that cannot be read do not count.
func (w *Worker) Ready(context.Context) error { return *w.health.Load() }

// Run makes passes until ctx is done; then it takes nothing new and finishes
// what is in hand. ErrStoppedLate when that takes longer than ShutdownTimeout.
func (w *Worker) Run(ctx context.Context) error {
	hard, stop := w.hardStop(ctx)
	defer stop()
	defer w.deletes.running.Wait()
	end, err := w.begin(ctx, hard)
	if err != nil {
		return nil // stopped before anything was taken
	}
	defer end()
	pause := w.IdleMin
	from := source((*pass).list)
	for ctx.Err() == nil {
		p := w.pass(ctx, hard, from)
		w.finish(hard, p)
		pause = w.nextPause(pause, p)
		p.log(pause)
		if hard.Err() != nil && p.Waiting() > 0 {
			return fmt.Errorf("%w: %d objects stay in the bucket and will be read again", ErrStoppedLate, p.Waiting())
		}
		from = w.rest(ctx, p, pause)
	}
	return w.endDeletes()
}

// Once makes passes over the bucket until the bucket is empty. When a whole pass made no
// progress, the error names what remains and why.
func (w *Worker) Once(ctx context.Context) error {
	hard, stop := w.hardStop(ctx)
	defer stop()
	end, err := w.begin(ctx, hard)
	if err != nil {
		return err
	}
	defer end()
	w.patient = true
	defer func() { w.patient = false }()
	for {
		p := w.pass(ctx, hard, (*pass).list)
		w.finish(hard, p)
		p.log(0)
		switch {
		case hard.Err() != nil && p.Waiting() > 0:
			return fmt.Errorf("%w: %d objects stay in the bucket and will be read again", ErrStoppedLate, p.Waiting())
		case ctx.Err() != nil:
			return nil
		case p.Listed == 0 && p.Failed() == 0: // a bucket that cannot be listed is not an empty one
			return nil
		case p.Settling > 0 && p.Failed() == 0:
			sleep(ctx, settlePause)
		case !p.progressed():
			return fmt.Errorf("no progress; objects that remain: %d: %w", p.Waiting(), p.why())
		}
	}
}

// settlePause is the wait for a folder's files that are still being written.
const settlePause = 250 * time.Millisecond

// hardStop is done ShutdownTimeout after ctx is.
func (w *Worker) hardStop(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unwatch := context.AfterFunc(ctx, func() {
		sleep(hard, w.ShutdownTimeout)
		cancel()
	})
	return hard, func() { unwatch(); cancel() }
}

// begin waits until bucket and database can be used, and starts what runs beside the
// passes.
func (w *Worker) begin(ctx, hard context.Context) (end func(), err error) {
	if err := w.until(ctx, w.Prepare); err != nil {
		return nil, err
	}
	proving, cancel := context.WithCancel(hard)
	if w.Prove != nil {
		proven := make(chan struct{})
		w.proven = proven
		go func() {
			defer close(proven)
			_ = w.until(proving, w.Prove) // after an error hard is done, and every delete fails
		}()
	}
	stopHousekeeping := w.keepHouse(ctx)
	return func() { cancel(); <-w.proven; stopHousekeeping() }, nil
}

// until calls try until it returns nil: a server that cannot be reached at the start is
// waited for, like one that goes away later.
func (w *Worker) until(ctx context.Context, try func(context.Context) error) error {
	for pause := w.IdleMin; ; pause = min(2*pause, w.IdleMax) {
		err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		w.health.Store(&err)
		w.Logger.Warn("bucket or database cannot be used yet; retrying", "error", err, "retry_in", pause.String())
		sleep(ctx, jitter(pause))
	}
}

// nextPause falls back when something was done, and else grows.
func (w *Worker) nextPause(pause time.Duration, p *pass) time.Duration {
	if p.progressed() || p.Settling > 0 && p.Failed() == 0 {
		return w.IdleMin
	}
	return min(2*pause, w.IdleMax)
}

// finish tells others how the pass went. The catalogue is not asked when it has
// just failed to answer.
func (w *Worker) finish(ctx context.Context, p *pass) {
	err := p.broken
	w.metrics.finish(p)
	w.history.add(p)
	if !p.aborted() {
		status := report.Worker{Shard: w.Shard.String(), LastPass: time.Now()}
		status.ObjectsWaiting, status.OldestWaiting = p.backlog()
		if last := w.lastCommit.Load(); last != 0 {
			status.LastCommit = time.Unix(0, last)
		}
		err = errors.Join(err, w.Catalogue.Report(ctx, status))
	}
	w.health.Store(&err)
	if err := errors.Join(err, p.err()); err != nil && ctx.Err() == nil {
		w.Logger.Error("pass failed in part; what is left stays in the bucket", "error", err)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// jitter spreads workers that started together: -10 % to +10 %.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // no secret
}

// Shard is a part of the keys, so that several workers need not do the same
// work. The zero Shard is all of them.
type Shard struct{ Index, Count int }

// String is i/n, or empty for the zero Shard.
func (s Shard) String() string {
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Count)
}

// Owns tells whether a key belongs to the shard.
func (s Shard) Owns(key string) bool {
	if s.Count == 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))                      // never fails
	return int(h.Sum32()%uint32(s.Count)) == s.Index //nolint:gosec // Count is small and positive
}
