package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
	"jpmovies/internal/worker"
)

// processCatalogue is the database of one process. Its steps may fail.
type processCatalogue struct{ *process }

var (
	_ worker.Catalogue      = processCatalogue{}
	_ worker.StatusReporter = processCatalogue{}
)

// Apply commits with the real code in a real database. Its context does not end in the middle,
// because a race would decide where; a trigger makes a transaction fail in its middle.
func (c processCatalogue) Apply(ctx context.Context, batch movie.Batch) (changes int, err error) {
	err = c.step(ctx, kindApply, digest(batch), func(f fate) (err error) {
		if f.outcome == broken {
			c.breaking = f.statement
		}
		changes, err = c.db.Apply(context.WithoutCancel(ctx), batch)
		c.breaking = 0
		c.noteLocked(c.String(), fmt.Sprintf("batch of %d updates and %d rejections: %d changes",
			len(batch.Updates), len(batch.Rejections), changes))
		switch refusal := (*movie.RefusedError)(nil); {
		case errors.As(err, &refusal) || errors.Is(err, errFault):
		case err != nil && f.outcome != broken:
			c.failLocked("%s: error of a healthy database: %v", c.process, err)
		case err == nil:
			c.stats.commits++
			for _, reason := range c.ledger.committed(batch, changes) {
				c.failLocked("%s commits: %s", c.process, reason)
			}
		}
		return err
	})
	return changes, err
}

func (c processCatalogue) Report(ctx context.Context, status report.Worker) error {
	return c.step(ctx, kindReport, "", func(f fate) error {
		if f.random.IntN(4) > 0 { // the code is the same each time
			return nil
		}
		return c.db.Report(context.WithoutCancel(ctx), status)
	})
}

// Prune ends the lease of the last pruning, so that every process prunes and not only the first
// one, which starts with an empty database.
func (c processCatalogue) Prune(ctx context.Context, rejections, changes time.Time) (done bool, err error) {
	if err := c.ended(ctx); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	if _, err := c.raw.ExecContext(ctx, "UPDATE catalogue SET next_pruning = 0"); err != nil {
		return false, err
	}
	return c.db.Prune(ctx, rejections, changes)
}
