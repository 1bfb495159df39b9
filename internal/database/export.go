package database

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// exportRows is how many movies an export reads at a time.
const exportRows = 1000

// Export gives all movies that match, the highest id first, as they are at one
// revision: begin is told which, and then each gets some of them. An error of
// theirs ends the export. No locks are held, but the server keeps old rows until
// it ends, so each must not stall.
func (db *DB) Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error {
	// One snapshot: REPEATABLE READ on servers; SQLite's readers have one anyway.
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.snapshot})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	var revision int64
	if err := tx.QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := begin(revision); err != nil {
		return err
	}
	for start := int64(0); ; {
		rows, err := db.movies(ctx, tx, f, start, exportRows)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if err := each(rows); err != nil || len(rows) < exportRows {
			return err
		}
		start = rows[len(rows)-1].ID
	}
}
