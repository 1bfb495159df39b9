package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"jpmovies/internal/movie"
)

// Report stores what a worker tells about itself. A zero LastCommit keeps the
// one that is known.
func (db *DB) Report(ctx context.Context, s movie.WorkerStatus) error {
	report := insertion{"INSERT INTO worker_status (shard, last_pass, last_commit, objects_waiting, oldest_waiting)", 5,
		db.dialect.onDuplicate("shard", "last_pass", "objects_waiting", "oldest_waiting")}
	err := db.transact(ctx, func(tx *sql.Tx, _ int) error {
		err := db.insert(ctx, tx, report, []any{s.Shard, milli(s.LastPass), milli(s.LastCommit), s.ObjectsWaiting, milli(s.OldestWaiting)})
		if err != nil || s.LastCommit.IsZero() {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE worker_status SET last_commit = ? WHERE shard = ?", milli(s.LastCommit), s.Shard)
		return err
	})
	if err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	return nil
}

// Revision is the number of changes committed so far.
func (db *DB) Revision(ctx context.Context) (revision int64, err error) {
	if err = db.read.QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
		return 0, fmt.Errorf("read revision: %w", err)
	}
	return revision, nil
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
