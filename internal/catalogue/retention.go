package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"jpmovies/internal/database"
)

// Old rows are deleted in small steps, each followed by an equally long pause, so that
// locks are short and writers get half of the time. One process at a time does it, under a
// lease in the catalogue's row.
const (
	pruneRows  = 500
	pruneLease = time.Minute // after which another process may take over
	pruneEvery = time.Hour   // pause after a complete run
	// releaseTimeout bounds the release of the lease after ctx is done; else it ends by
	// itself.
	releaseTimeout = 2 * time.Second
)

// clockAhead is longer than clocks of healthy machines differ, and than pruneEvery. A stored
// time further ahead is of a wrong clock.
const clockAhead = 2 * time.Hour

// wrongFrom returns the least time, in milliseconds, that is of a wrong clock.
func (c *Catalogue) wrongFrom() int64 { return c.db.Now().Add(clockAhead).UnixMilli() }

// Prune deletes rejections and changes older than the given times, until none is left or
// ctx is done. The ingest log is kept as long as changes are, in whole days. Prune does
// nothing while another process prunes, or has just done so; done reports that none is
// left.
func (c *Catalogue) Prune(ctx context.Context, rejections, changes time.Time) (done bool, err error) {
	claimed, err := c.claimPruning(ctx)
	if err != nil || !claimed {
		return false, err
	}
	err = c.pruneAll(ctx, rejections, changes)
	next := pruneEvery
	if err != nil {
		next = 0
	}
	// Release the lease also when ctx is done, so that another process need not wait for
	// its end.
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if extended := c.extendPruning(releasing, next); err == nil {
		err = extended
	}
	return err == nil, err
}

func (c *Catalogue) pruneAll(ctx context.Context, rejections, changes time.Time) error {
	extended := time.Now()
	for _, kind := range []struct {
		name string
		step func(context.Context, *sql.Tx) (deleted int, err error)
	}{
		{"rejections", func(ctx context.Context, tx *sql.Tx) (int, error) { return c.pruneRejections(ctx, tx, rejections) }},
		{"changes", func(ctx context.Context, tx *sql.Tx) (int, error) { return c.pruneChanges(ctx, tx, changes) }},
		{"ingest log", func(ctx context.Context, tx *sql.Tx) (int, error) { return c.pruneIngests(ctx, tx, dayOf(changes)) }},
	} {
		for more := true; more; {
			start := time.Now()
			err := c.db.Transact(ctx, func(tx *sql.Tx, _ int) error {
				n, err := kind.step(ctx, tx)
				more = n == pruneRows
				return err
			})
			if err != nil {
				return fmt.Errorf("prune %s: %w", kind.name, err)
			}
			if time.Since(extended) > pruneLease/4 {
				if err := c.extendPruning(ctx, pruneLease); err != nil {
					return err
				}
				extended = time.Now()
			}
			if !more {
				break
			}
			select {
			case <-time.After(time.Since(start)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// claimPruning takes the lease if nobody holds it. It ignores a lease of a wrong clock.
func (c *Catalogue) claimPruning(ctx context.Context) (claimed bool, err error) {
	err = c.db.Transact(ctx, func(tx *sql.Tx, _ int) error {
		now := c.db.Now()
		result, err := tx.ExecContext(ctx, "UPDATE catalogue SET next_pruning = ? WHERE id = 1 AND (next_pruning <= ? OR next_pruning >= ?)",
			now.Add(pruneLease).UnixMilli(), now.UnixMilli(), c.wrongFrom())
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		claimed = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claim pruning: %w", err)
	}
	return claimed, nil
}

func (c *Catalogue) extendPruning(ctx context.Context, by time.Duration) error {
	err := c.db.Transact(ctx, func(tx *sql.Tx, _ int) error {
		_, err := tx.ExecContext(ctx, "UPDATE catalogue SET next_pruning = ? WHERE id = 1", c.db.Now().Add(by).UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("extend the lease of pruning: %w", err)
	}
	return nil
}

func (c *Catalogue) pruneRejections(ctx context.Context, tx *sql.Tx, before time.Time) (int, error) {
	ids, err := queryIDs(ctx, tx, "SELECT id FROM rejection WHERE rejected_at < ? ORDER BY rejected_at LIMIT ?", []any{before.UnixMilli(), pruneRows})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	//nolint:gosec // made of constants
	_, err = tx.ExecContext(ctx, "DELETE FROM rejection WHERE id IN "+database.Tuples(1, len(ids))+" AND rejected_at < ?", append(anys(ids), before.UnixMilli())...)
	return len(ids), err
}

// pruneChanges deletes from the oldest revision up to the first that is not old, so
// that workers whose clocks differ make no holes in the log. A time of a wrong clock counts
// as old: it would keep all later changes. If the newest change has such a time, it is this
// clock that is wrong, and nothing is deleted.
func (c *Catalogue) pruneChanges(ctx context.Context, tx *sql.Tx, before time.Time) (int, error) {
	var newest int64
	err := tx.QueryRowContext(ctx, "SELECT changed_at FROM change_log ORDER BY revision DESC LIMIT 1").Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) || err == nil && newest >= c.wrongFrom() {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, last, ended := 0, int64(0), false
	err = database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		var revision, changedAt int64
		if err := rows.Scan(&revision, &changedAt); err != nil {
			return err
		}
		if ended = ended || changedAt >= before.UnixMilli() && changedAt < c.wrongFrom(); !ended {
			n, last = n+1, revision
		}
		return nil
	}, "SELECT revision, changed_at FROM change_log ORDER BY revision LIMIT ?", pruneRows)
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM change_log WHERE revision <= ?", last)
	return n, err
}

// pruneIngests deletes entries of the ingest log of the days before one.
func (c *Catalogue) pruneIngests(ctx context.Context, tx *sql.Tx, before int64) (int, error) {
	keys, err := selectPairs(ctx, tx, "SELECT applied_day, object_key FROM ingest WHERE applied_day < ? ORDER BY applied_day, object_key LIMIT ?", before, pruneRows)
	n := len(keys) / 2
	if err != nil || n == 0 {
		return 0, err
	}
	//nolint:gosec // made of constants
	_, err = tx.ExecContext(ctx, "DELETE FROM ingest WHERE "+c.db.In("applied_day", "object_key", n), keys...)
	return n, err
}

func selectPairs(ctx context.Context, tx *sql.Tx, query string, args ...any) (pairs []any, err error) {
	err = database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		var number int64
		var text string
		err := rows.Scan(&number, &text)
		pairs = append(pairs, number, text)
		return err
	}, query, args...)
	return pairs, err
}
