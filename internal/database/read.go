package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"jpmovies/internal/movie"
)

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Movie returns a visible movie, or movie.ErrNotFound.
func (db *DB) Movie(ctx context.Context, id int64) (movie.Row, error) {
	r := movie.Row{ID: id}
	err := db.read.QueryRowContext(ctx, "SELECT fields FROM movie WHERE id = ? AND hidden = 0", id).Scan(&r.Fields)
	if errors.Is(err, sql.ErrNoRows) {
		return movie.Row{}, movie.ErrNotFound
	}
	if err != nil {
		return movie.Row{}, fmt.Errorf("read movie %d: %w", id, err)
	}
	return r, nil
}

// Movies returns the first visible movies that match, at most limit, the
// highest id first. With start above 0, only ids below it. Once they hold
// movie.MaxBytes, one more is the last.
func (db *DB) Movies(ctx context.Context, filter movie.Filter, start int64, limit int) ([]movie.Row, error) {
	rows, err := db.movies(ctx, db.read, filter, start, limit)
	if err != nil {
		return nil, fmt.Errorf("read movies: %w", err)
	}
	return rows, nil
}

func (db *DB) movies(ctx context.Context, q querier, f movie.Filter, start int64, limit int) ([]movie.Row, error) {
	if n := len(f.Words) - 1; n >= 0 {
		s := &search{DB: db, querier: q, Filter: f, exact: slices.Clone(f.Words[:n]), prefix: f.Words[n], start: start, limit: limit}
		return s.run(ctx)
	}
	branches, err := db.branches(ctx, q, f, nil)
	if err != nil || len(branches) == 0 {
		return nil, err
	}
	return db.page(ctx, q, "m.fields", branches, start, limit)
}

// page reads a column of the first movies of some ranges. What only tables that
// disagree have, an id of no visible movie or one that is in two ranges, is left out,
// and does not end the page. Once the movies hold movie.MaxBytes, one more is the
// last, which tells that the page is not complete.
func (db *DB) page(ctx context.Context, q querier, column string, ranges []branch, start int64, limit int) ([]movie.Row, error) {
	var found []movie.Row
	for {
		missing := limit - len(found)
		query, args := db.dialect.selectBranches(column, ranges, start, missing)
		rows, cut, err := readRows(ctx, q, query, args, movie.MaxBytes-size(found))
		ended := len(rows) < missing && !cut
		if len(rows) > 0 {
			start = rows[len(rows)-1].ID
		}
		last := int64(0)
		found = append(found, slices.DeleteFunc(rows, func(r movie.Row) bool {
			twice := r.ID == last
			last = r.ID
			return twice || r.Fields == nil
		})...)
		if err != nil || ended || len(found) == limit || movie.Fill(found, limit) < len(found) {
			return found, err
		}
	}
}

func size(rows []movie.Row) (bytes int) {
	for _, r := range rows {
		bytes += len(r.Fields)
	}
	return bytes
}

func queryRows(ctx context.Context, q querier, query string, args []any) ([]movie.Row, error) {
	rows, _, err := readRows(ctx, q, query, args, math.MaxInt)
	return rows, err
}

// readRows reads rows until they hold so many bytes, and one more; cut tells that it
// stopped there.
func readRows(ctx context.Context, q querier, query string, args []any, bytes int) (found []movie.Row, cut bool, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	for !cut && rows.Next() {
		var r movie.Row
		if err := rows.Scan(&r.ID, &r.Fields); err != nil {
			return nil, false, err
		}
		cut = bytes <= 0
		bytes -= len(r.Fields)
		found = append(found, r)
	}
	return found, cut, rows.Err()
}

// queryIDs reads rows of one number.
func queryIDs(ctx context.Context, q querier, query string, args []any) ([]int64, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func anys(ids []int64) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}
