package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/report"
)

// Report stores the report of a worker. A zero LastCommit keeps the stored one, Uncounted
// what waits.
func (c *Catalogue) Report(ctx context.Context, s report.Worker) error {
	columns := []string{"last_pass"}
	if !s.Uncounted {
		columns = append(columns, "objects_waiting", "oldest_waiting")
	}
	if !s.LastCommit.IsZero() {
		columns = append(columns, "last_commit")
	}
	insertion := database.Insertion{
		Head:    "INSERT INTO worker_status (shard, last_pass, last_commit, objects_waiting, oldest_waiting)",
		Columns: 5, Tail: c.db.OnDuplicate("shard", columns...),
	}
	var oldest any // NULL: none waits
	if s.OldestWaiting != nil {
		oldest = s.OldestWaiting.UnixMilli()
	}
	err := c.db.Transact(ctx, func(tx *sql.Tx, _ int) error {
		return database.Insert(ctx, tx, insertion, []any{s.Shard, milli(s.LastPass), milli(s.LastCommit), s.ObjectsWaiting, oldest})
	})
	if err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	return nil
}

// Revision returns the number of changes committed so far.
func (c *Catalogue) Revision(ctx context.Context) (revision int64, err error) {
	if err = c.db.Reader().QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
		return 0, fmt.Errorf("read revision: %w", err)
	}
	return revision, nil
}

// Status returns the freshness of the catalogue. A time of a wrong clock is returned as
// never.
func (c *Catalogue) Status(ctx context.Context) (report.Status, error) {
	var s report.Status
	err := c.db.Reader().QueryRowContext(ctx, "SELECT revision, movies FROM catalogue WHERE id = 1").Scan(&s.Revision, &s.Movies)
	if err != nil {
		return report.Status{}, fmt.Errorf("read status: %w", err)
	}
	err = database.ForEach(ctx, c.db.Reader(), func(rows *sql.Rows) error {
		var w report.Worker
		var pass, commit int64
		var oldest sql.NullInt64
		if err := rows.Scan(&w.Shard, &pass, &commit, &w.ObjectsWaiting, &oldest); err != nil {
			return err
		}
		w.LastPass, w.LastCommit = c.past(pass), c.past(commit)
		if oldest.Valid {
			at := time.UnixMilli(oldest.Int64).UTC()
			w.OldestWaiting = &at
		}
		s.Workers = append(s.Workers, w)
		return nil
	}, "SELECT shard, last_pass, last_commit, objects_waiting, oldest_waiting FROM worker_status ORDER BY shard")
	if err != nil {
		return report.Status{}, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}

// past returns a stored time, zero if it is of a wrong clock.
func (c *Catalogue) past(milli int64) time.Time {
	if milli >= c.wrongFrom() {
		return time.Time{}
	}
	return fromMilli(milli)
}
