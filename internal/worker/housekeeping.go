package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Housekeeper deletes old rows. It does its own retries.
type Housekeeper interface {
	// Prune deletes rejections and changes older than the times given, unless another
	// worker is doing it or has just done so. It continues until none remains or ctx is
	// done; done reports that it has deleted all.
	Prune(ctx context.Context, rejections, changes time.Time) (done bool, err error)
}

const (
	housekeepingEvery = time.Hour
	// housekeepingTime limits one run. The next run deletes what remains.
	housekeepingTime = 10 * time.Minute
)

// keepHouse does housekeeping beside the passes, at once and then every hour, until stop is
// called.
func (w *Worker) keepHouse(ctx context.Context) (stop func()) {
	if w.options.Housekeeping == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			w.housekeep(ctx)
			sleep(ctx, jitter(housekeepingEvery))
		}
	})
	return func() { cancel(); running.Wait() }
}

func (w *Worker) housekeep(ctx context.Context) {
	durabilityErr := w.checkDurability(ctx)
	limited, cancel := context.WithTimeout(ctx, housekeepingTime)
	defer cancel()
	done, err := w.prune(limited, time.Now())
	if done {
		w.metrics.lastHousekeeping.SetToCurrentTime()
	}
	switch err := errors.Join(durabilityErr, err); {
	case ctx.Err() != nil:
	case errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil:
		w.logger.Info("old rows remain after " + housekeepingTime.String() + "; deleting them in an hour")
	case err != nil:
		w.logger.Warn("housekeeping failed; retrying in an hour", "error", err)
	}
}

// maxSkew is how much the clocks of worker and server may differ: rows are kept for days.
const maxSkew = 12 * time.Hour

func (w *Worker) prune(ctx context.Context, now time.Time) (done bool, err error) {
	if w.options.ServerTime != nil {
		server, err := w.options.ServerTime(ctx)
		if err != nil {
			return false, err
		}
		if skew := now.Sub(server).Abs(); skew > maxSkew {
			return false, fmt.Errorf("the clocks of worker and database server differ by %s: nothing is deleted", skew.Round(time.Minute))
		}
	}
	return w.options.Housekeeping.Prune(ctx, now.Add(-w.options.KeepRejections), now.Add(-w.options.KeepChanges))
}

// checkDurability warns of settings of the database server that may undo a commit.
func (w *Worker) checkDurability(ctx context.Context) error {
	if w.options.Durability == nil {
		return nil
	}
	unsafe, err := w.options.Durability(ctx)
	for _, setting := range unsafe {
		w.logger.Warn("a crash of the database server may undo commits whose objects are deleted", "setting", setting)
	}
	return err
}
