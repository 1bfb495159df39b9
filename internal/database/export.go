package database

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// An export reads so many movies at a time: few at first and more while they are
// small, since a server sends all that it was asked for.
const (
	exportFirst = 64
	exportMost  = 1000
)

// openExports makes the pool of connections for exports: they hold theirs for as long
// as their clients take, and others must not wait for it.
func (db *DB) openExports(pool *sql.DB, n int) {
	n = max(n, 1)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	db.exports = pool
}

// Export gives all movies that match, the highest id first, as they are at one
// revision: begin is told which, and then each gets some of them, about
// movie.MaxBytes at most. An error of theirs ends the export. At most
// Options.Exports run at once; more of them wait. No locks are held, but the server
// keeps old rows until it ends, so each must not stall.
func (db *DB) Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error {
	// One snapshot: REPEATABLE READ on servers; SQLite's readers have one anyway.
	tx, err := db.exports.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.snapshot})
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
	for start, limit := int64(0), exportFirst; ; {
		rows, err := db.movies(ctx, tx, f, start, limit)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		cut := movie.Fill(rows, limit) < len(rows)
		if err := each(rows); err != nil || len(rows) < limit && !cut {
			return err
		}
		start = rows[len(rows)-1].ID
		if cut {
			limit = len(rows)
		} else if 2*size(rows) < movie.MaxBytes {
			limit = min(2*limit, exportMost)
		}
	}
}
