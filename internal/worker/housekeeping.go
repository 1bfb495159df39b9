package worker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Housekeeper is what a catalogue needs now and then. Its methods are safe for
// concurrent use and do their own retries.
type Housekeeper interface {
	// Prune deletes rejections and changes older than the times given, unless another
	// worker does it. It goes on until none is left or ctx is done.
	Prune(ctx context.Context, rejections, changes time.Time) error
}

const (
	housekeepingEvery = time.Hour
	// housekeepingTime is how long it may take. What is left waits for the next hour.
	housekeepingTime = 10 * time.Minute
)

// keepHouse does housekeeping beside the passes, at once and every hour, until it is
// told to stop.
func (w *Worker) keepHouse(ctx context.Context) (stop func()) {
	if w.Housekeeping == nil {
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
	unsafe, err := w.durability(ctx)
	for _, setting := range unsafe {
		w.Logger.Warn("a crash of the database server may undo commits whose objects are deleted", "setting", setting)
	}
	limited, cancel := context.WithTimeout(ctx, housekeepingTime)
	defer cancel()
	now := time.Now()
	err = errors.Join(err, w.Housekeeping.Prune(limited, now.Add(-w.KeepRejections), now.Add(-w.KeepChanges)))
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil:
		w.Logger.Info("old rows are left; they are deleted in the next hour")
	case err != nil:
		w.Logger.Warn("housekeeping failed; it is tried again in an hour", "error", err)
	}
}

func (w *Worker) durability(ctx context.Context) (unsafe []string, err error) {
	if w.Durability == nil {
		return nil, nil
	}
	return w.Durability(ctx)
}
