package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Replicated tells whether reads go to a server that follows another.
func (db *DB) Replicated() bool { return db.replicated }

// Lag is how long ago the primary committed the first of the changes that a replica
// does not show yet; 0 when it shows all of them. The clock of the worker that
// committed it is compared with this process's.
func (db *DB) Lag(ctx context.Context) (time.Duration, error) {
	revision, err := db.Revision(ctx)
	if err != nil {
		return 0, err
	}
	var changed int64
	err = db.write.QueryRowContext(ctx,
		"SELECT changed_at FROM change_log WHERE revision > ? ORDER BY revision LIMIT 1", revision).Scan(&changed)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask the primary for changes: %w", err)
	}
	return max(0, db.now().Sub(fromMilli(changed))), nil
}
