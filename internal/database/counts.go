package database

import (
	"context"
	"fmt"

	"jpmovies/internal/movie"
)

// Genres are all genres with the number of their movies, the most common first,
// then by name.
func (db *DB) Genres(ctx context.Context) ([]movie.Count, error) {
	return db.counts(ctx, "SELECT value, movies FROM facet WHERE kind = ? ORDER BY movies DESC, value", genreFacet)
}

// Years are all years with the number of their movies, in order.
func (db *DB) Years(ctx context.Context) ([]movie.Count, error) {
	return db.counts(ctx, "SELECT value, movies FROM facet WHERE kind = ? ORDER BY value", yearFacet)
}

func (db *DB) counts(ctx context.Context, query, kind string) ([]movie.Count, error) {
	rows, err := db.read.QueryContext(ctx, query, kind)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var counts []movie.Count
	for rows.Next() {
		var c movie.Count
		if err := rows.Scan(&c.Value, &c.Movies); err != nil {
			return nil, fmt.Errorf("read counts: %w", err)
		}
		counts = append(counts, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	return counts, nil
}
