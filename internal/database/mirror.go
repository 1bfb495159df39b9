package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"jpmovies/internal/movie"
)

// mirrorRows is how many movies a mirror gets at a time.
const mirrorRows = 1000

// Snapshot gives all movies as they are at one mark, the lowest id first.
func (db *DB) Snapshot(ctx context.Context, begin func(at movie.Mark, movies int64) error, each func([]movie.State) error) error {
	return db.snapshotDo(ctx, func(tx *sql.Tx) error {
		var at movie.Mark
		var movies int64
		if err := tx.QueryRowContext(ctx, "SELECT revision, movies FROM catalogue WHERE id = 1").Scan(&at.Revision, &movies); err != nil {
			return err
		}
		at, err := markAt(ctx, tx, at.Revision)
		if err != nil {
			return err
		}
		if err := begin(at, movies); err != nil {
			return err
		}
		return states(ctx, tx, "SELECT id, title, year, hidden, fields FROM movie ORDER BY id", nil, each)
	})
}

// Since gives the movies that changed after a mark, as they are at a later one.
func (db *DB) Since(ctx context.Context, mark movie.Mark, each func([]movie.State) error) (next movie.Mark, err error) {
	err = db.snapshotDo(ctx, func(tx *sql.Tx) error {
		var revision int64
		if err := tx.QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
			return err
		}
		now, err := markAt(ctx, tx, mark.Revision)
		if err != nil {
			return err
		}
		if revision < mark.Revision || now.Movie != 0 && mark.Movie != 0 && now != mark {
			return movie.ErrReplaced
		}
		if next, err = markAt(ctx, tx, revision); err != nil || revision == mark.Revision {
			return err
		}
		var kept int64
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM change_log WHERE revision > ?", mark.Revision).Scan(&kept); err != nil {
			return err
		}
		if kept != revision-mark.Revision {
			return movie.ErrPruned
		}
		return states(ctx, tx, "SELECT id, title, year, hidden, fields FROM movie WHERE id IN (SELECT movie_id FROM change_log WHERE revision > ?) ORDER BY id",
			[]any{mark.Revision}, each)
	})
	return next, err
}

func (db *DB) snapshotDo(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.snapshot})
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := do(tx); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	return nil
}

func markAt(ctx context.Context, tx *sql.Tx, revision int64) (movie.Mark, error) {
	m := movie.Mark{Revision: revision}
	err := tx.QueryRowContext(ctx, "SELECT movie_id, changed_at FROM change_log WHERE revision = ?", revision).Scan(&m.Movie, &m.ChangedAt)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return m, err
}

func states(ctx context.Context, tx *sql.Tx, query string, args []any, each func([]movie.State) error) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var some []movie.State
	for rows.Next() {
		var s movie.State
		if err := rows.Scan(&s.ID, &s.Title, &s.Year, &s.Hidden, &s.Fields); err != nil {
			return err
		}
		if some = append(some, s); len(some) == mirrorRows {
			if err := each(some); err != nil {
				return err
			}
			some = nil
		}
	}
	if err := rows.Err(); err != nil || len(some) == 0 {
		return err
	}
	return each(some)
}
