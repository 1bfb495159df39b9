package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"jpmovies/internal/movie"
)

const selectRejections = "SELECT id, object_key, object_etag, position, reason, rejected_at FROM rejection"

// Rejections returns the newest rejections, at most limit, without their bytes.
// With start above 0, only ids below it.
func (db *DB) Rejections(ctx context.Context, start int64, limit int) ([]movie.StoredRejection, error) {
	query, args := selectRejections, []any{}
	if start > 0 {
		query, args = query+" WHERE id < ?", append(args, start)
	}
	return db.queryRejections(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, limit)...)
}

func (db *DB) queryRejections(ctx context.Context, query string, args ...any) ([]movie.StoredRejection, error) {
	rows, err := db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read rejections: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var found []movie.StoredRejection
	for rows.Next() {
		var r movie.StoredRejection
		var at int64
		if err := rows.Scan(&r.ID, &r.Key, &r.ObjectETag, &r.Position, &r.Reason, &at); err != nil {
			return nil, fmt.Errorf("read rejections: %w", err)
		}
		r.Time = fromMilli(at)
		found = append(found, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rejections: %w", err)
	}
	return found, nil
}

// Rejection returns a rejection with its bytes, or movie.ErrNotFound.
func (db *DB) Rejection(ctx context.Context, id int64) (movie.StoredRejection, error) {
	r := movie.StoredRejection{ID: id}
	var at int64
	err := db.read.QueryRowContext(ctx, "SELECT object_key, object_etag, position, reason, bytes, truncated, rejected_at FROM rejection WHERE id = ?", id).
		Scan(&r.Key, &r.ObjectETag, &r.Position, &r.Reason, &r.Bytes, &r.Truncated, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return r, movie.ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read rejection %d: %w", id, err)
	}
	r.Time = fromMilli(at)
	return r, nil
}

// DropRejection forgets a rejection.
func (db *DB) DropRejection(ctx context.Context, id int64) error {
	err := db.transact(ctx, func(tx *sql.Tx, _ int) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM rejection WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop rejection %d: %w", id, err)
	}
	return nil
}
