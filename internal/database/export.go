package database

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// openExports makes the pool of connections for exports: they hold theirs for as long
// as their clients take, and others must not wait for it.
func (db *DB) openExports(pool *sql.DB, n int) {
	n = max(n, 1)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	db.exports = pool
}

// A statement of an export or a snapshot reads at most streamRows rows, so that a
// server's limit of the time of a statement does not end it. The caller gets at most
// groupRows rows at a time, and about groupBytes.
const (
	streamRows = 10_000
	groupRows  = 1000
	groupBytes = movie.MaxBytes
)

// Export gives all movies that match, the highest id first, as they are at one
// revision: it calls begin with the revision, and then each with groups of movies. It
// stops at the first error from begin or each. At most Options.Exports run at once;
// more of them wait. An export holds no locks, but the server keeps old rows until it
// ends, so each must not stall.
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
	e := exporter{filter: f, each: each}
	for ended := false; !ended; {
		if ended, err = db.candidates(ctx, tx, f, e.last, streamRows, e.add); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return e.flush()
}

// exporter groups the movies that match.
type exporter struct {
	filter movie.Filter
	each   func([]movie.Row) error
	last   int64 // id of the last candidate
	group  []movie.Row
	size   int
}

func (e *exporter) add(c candidate) (more bool, err error) {
	e.last = c.id
	matches, err := c.matches(e.filter)
	if err != nil || !matches {
		return err == nil, err
	}
	e.group, e.size = append(e.group, c.row()), e.size+len(c.fields)
	if len(e.group) == groupRows || e.size >= groupBytes {
		err = e.flush()
	}
	return err == nil, err
}

func (e *exporter) flush() error {
	if len(e.group) == 0 {
		return nil
	}
	err := e.each(e.group)
	e.group, e.size = e.group[:0], 0
	return err
}
