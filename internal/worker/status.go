package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"jpmovies/internal/report"
)

// StatusReporter stores the status of workers. It does its own retries.
type StatusReporter interface {
	Report(ctx context.Context, status report.Worker) error
}

// finish publishes the result of a pass: metrics, history, status, readiness and the log.
func (w *Worker) finish(ctx context.Context, p *pass) {
	if err := errors.Join(p.fatal, p.err()); err != nil && ctx.Err() == nil {
		w.logger.Error("pass failed in part; its objects stay in the bucket for a later pass", "error", err)
	}
	if err := w.report(ctx, p); err != nil {
		p.failWhole(err, func(*counts) {})
		if ctx.Err() == nil {
			w.logger.Error("the database cannot be told of the pass", "error", err)
		}
	}
	w.metrics.finish(p)
	w.history.add(p)
	w.note(p.fatal)
}

// report stores the worker's status, unless a commit has just failed: the catalogue would
// fail again. It tells of each commit once: another worker of the shard may commit later.
func (w *Worker) report(ctx context.Context, p *pass) error {
	if w.options.Status == nil || p.aborted() {
		return nil
	}
	b := p.backlog()
	status := report.Worker{
		Shard: w.options.Shard.String(), LastPass: time.Now(), ObjectsWaiting: b.objects, OldestWaiting: b.oldest, Uncounted: p.cutShort,
	}
	last := w.lastCommit.Load()
	if last != w.reported {
		status.LastCommit = time.Unix(0, last)
	}
	err := w.options.Status.Report(ctx, status)
	if err == nil {
		w.reported = last
	}
	return err
}

// health is what the worker could or could not use, and since when it is known.
type health struct {
	err   error
	since time.Time
}

var errStarting = errors.New("starting")

func (w *Worker) note(err error) { w.health.Store(&health{err, time.Now()}) }

// workQuiet is how long a pass that works may commit nothing, or the first one read nothing.
const workQuiet = 10 * time.Second

// Ready returns nil if the last pass could use the bucket and the database. A pass may take
// hours, so it also does while the present one commits, or the first one reads. Failures of
// single objects do not count.
func (w *Worker) Ready(context.Context) error {
	known := w.health.Load()
	last := w.lastCommit.Load()
	if errors.Is(known.err, errStarting) {
		last = max(last, w.lastRead.Load())
	}
	if worked := time.Unix(0, last); worked.After(known.since) && time.Since(worked) < workQuiet {
		return nil
	}
	return known.err
}

// progress counts the work done since the start.
type progress struct{ objects, updates, changes, rejections atomic.Int64 }

// Progress is the work done so far.
type Progress struct {
	// Objects were read since the start, Updates committed, Changes made by them, and
	// Rejections stored.
	Objects, Updates, Changes, Rejections int64
	// Waiting is how many objects that the current pass has listed are still in the bucket.
	Waiting int
}

// Progress returns the work done so far. It may be called at any time.
func (w *Worker) Progress() Progress {
	now := Progress{
		Objects: w.progress.objects.Load(), Updates: w.progress.updates.Load(),
		Changes: w.progress.changes.Load(), Rejections: w.progress.rejections.Load(),
	}
	if p := w.current.Load(); p != nil {
		p.count(func(c *counts) { now.Waiting = c.waiting() })
	}
	return now
}
