package database

import (
	"context"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// Words that begin with a prefix are many ranges, not one: their movies do not
// come by falling id. If they are at most this many, all are read and sorted;
// if more, so many movies match that a page is soon found by looking through.
const maxPrefixed = 1000

// siftRows is how many rows are looked through at a time, at most.
const siftRows = 1000

// endOfPrefix is behind every text that begins with the same: no title holds it.
const endOfPrefix = "\U0010FFFF"

// prefixed are the ids below start of the movies that have a word with the
// prefix, falling; all tells whether these are all of them.
func prefixed(ctx context.Context, q querier, prefix string, start int64) (ids []int64, all bool, err error) {
	query := "SELECT movie_id FROM movie_word WHERE name >= ? AND name < ? LIMIT ?"
	rows, err := q.QueryContext(ctx, query, prefix, prefix+endOfPrefix, maxPrefixed+1)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	n := 0
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, false, err
		}
		if n++; start == 0 || id < start {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	return ids, n <= maxPrefixed, rows.Err()
}

// pick returns the first of the movies with these ids that match. Most do, so few
// are read that are not shown.
func pick(ctx context.Context, q querier, f movie.Filter, ids []int64, limit int) ([]movie.Row, error) {
	var found []movie.Row
	for some := range slices.Chunk(ids, 2*limit) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		query := "SELECT id, fields FROM movie WHERE hidden = 0 AND id IN (" + strings.Repeat(",?", len(some))[1:] + ") ORDER BY id DESC"
		rows, err := queryRows(ctx, q, query, args)
		if err != nil {
			return nil, err
		}
		if found, err = appendMatching(found, rows, f, limit); err != nil || len(found) == limit {
			return found, err
		}
	}
	return found, nil
}

// sift looks through the movies that match all but the prefix.
func (db *DB) sift(ctx context.Context, q querier, f movie.Filter, exact []string, start int64, limit int) ([]movie.Row, error) {
	var found []movie.Row
	for n := min(4*limit, siftRows); ; n = siftRows {
		rows, err := db.page(ctx, q, f, exact, start, n)
		if err != nil {
			return nil, err
		}
		if found, err = appendMatching(found, rows, f, limit); err != nil || len(found) == limit || len(rows) < n {
			return found, err
		}
		start = rows[len(rows)-1].ID
	}
}

// appendMatching appends the rows that match, up to limit.
func appendMatching(found, rows []movie.Row, f movie.Filter, limit int) ([]movie.Row, error) {
	for _, r := range rows {
		m, err := movie.ParseFields(r.Fields)
		if err != nil {
			return nil, err
		}
		if f.Matches(m) {
			if found = append(found, r); len(found) == limit {
				break
			}
		}
	}
	return found, nil
}
