package catalogue

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"reflect"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

// Movie returns a visible movie, or movie.ErrNotFound.
func (c *Catalogue) Movie(ctx context.Context, id int64) (movie.Row, error) {
	r := movie.Row{ID: id}
	err := c.db.Reader().QueryRowContext(ctx, "SELECT fields FROM movie WHERE id = ? AND hidden = 0", id).Scan(&r.Fields)
	if errors.Is(err, sql.ErrNoRows) {
		return movie.Row{}, movie.ErrNotFound
	}
	if err != nil {
		return movie.Row{}, fmt.Errorf("read movie %d: %w", id, err)
	}
	return r, nil
}

// The work for one page is bounded: Movies reads at most pageCandidates candidates, and
// ends the page once its movies hold pageBytes.
const (
	pageCandidates = 1000
	pageBytes      = movie.MaxBytes
)

// Movies returns a page of the visible movies that match, at most limit, the highest id
// first. With start above 0, the page has only ids below start. next is the start of the
// next page, 0 at the end. Because the work is bounded, a page may be short or even empty
// and still have a next one. limit is at least 1.
func (c *Catalogue) Movies(ctx context.Context, f movie.Filter, start int64, limit int) (rows []movie.Row, next int64, err error) {
	size, full, ended, last := 0, false, false, start
	add := func(c candidate) (more bool, err error) {
		matches, err := c.matches(f)
		if err != nil {
			return false, err
		}
		if full = matches && (len(rows) == limit || size >= pageBytes); full {
			return false, nil
		}
		last = c.id
		if matches {
			rows, size = append(rows, c.row()), size+len(c.fields)
		}
		return true, nil
	}
	// Most candidates match, so the first statement usually reads all of the page.
	for left, n := pageCandidates, limit+1; left > 0 && !full && !ended; left, n = left-n, 4*n {
		n = min(n, left)
		if ended, err = c.candidates(ctx, c.db.Reader(), f, last, n, add); err != nil {
			return nil, 0, fmt.Errorf("read movies: %w", err)
		}
	}
	switch {
	case ended:
		return rows, 0, nil
	case full || len(rows) == limit:
		return rows, rows[len(rows)-1].ID, nil
	}
	return rows, last, nil
}

// candidate is a row of the index range that a filter is read from.
type candidate struct {
	id      int64
	visible bool
	fields  sql.RawBytes // valid until the next candidate is read
}

func (c candidate) row() movie.Row { return movie.Row{ID: c.id, Fields: bytes.Clone(c.fields)} }

func (c candidate) matches(f movie.Filter) (bool, error) {
	if !c.visible || isEmpty(f) {
		return c.visible, nil
	}
	m, err := movie.ParseFields(c.fields)
	if err != nil {
		return false, fmt.Errorf("movie %d: %w", c.id, err)
	}
	return f.Matches(c.id, m), nil
}

// isEmpty reports whether a filter has no condition.
func isEmpty(f movie.Filter) bool { return reflect.ValueOf(f).IsZero() }

// candidates reads at most n candidates of a filter, the highest id first, and calls each
// for them until it returns false. With start above 0, it reads only ids below start.
// ended reports that there are no more candidates.
func (c *Catalogue) candidates(ctx context.Context, q database.Querier, f movie.Filter, start int64, n int, each func(candidate) (more bool, err error)) (ended bool, err error) {
	query, args := c.selectCandidates(f, start, n)
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	read := 0
	for ; rows.Next(); read++ {
		var c candidate
		var hidden sql.NullBool // NULL for a link without a movie, in a damaged catalogue
		if err := rows.Scan(&c.id, &hidden, &c.fields); err != nil {
			return false, err
		}
		c.visible = hidden.Valid && !hidden.Bool
		if more, err := each(c); err != nil || !more {
			return false, err
		}
	}
	return read < n, rows.Err()
}

// selectCandidates builds the statement that reads candidates: one range of one index by
// descending id, joined to the movies' rows.
func (c *Catalogue) selectCandidates(f movie.Filter, start int64, n int) (query string, args []any) {
	table, index, condition, args := rangeOf(f)
	id, from := "m.id", "movie m"+c.db.Force(index)
	if table != "movie" {
		id = "l.movie_id"
		from = table + " l" + c.db.Force(index) + " LEFT JOIN movie m" + c.db.Force("PRIMARY") + " ON m.id = l.movie_id"
	}
	if start == 0 {
		start = math.MaxInt64
	}
	query = "SELECT " + c.db.Straight() + id + ", m.hidden, m.fields FROM " + from + " WHERE " + condition + id + " < ? ORDER BY " + id + " DESC LIMIT ?"
	return query, append(args, start, n)
}

// rangeOf chooses the index range with the fewest candidates that holds all matching
// movies: a person has fewer movies than a year, and a year fewer than a genre.
func rangeOf(f movie.Filter) (table, index, condition string, args []any) {
	switch {
	case len(f.IDs) > 0:
		return "movie", "PRIMARY", "m.id IN " + database.Tuples(1, len(f.IDs)) + " AND ", anys(f.IDs)
	case f.Title != "" && f.Year != 0:
		return "movie", "identity", "m.title = ? AND m.year = ? AND ", []any{f.Title, f.Year}
	case f.Title != "":
		return "movie", "identity", "m.title = ? AND ", []any{f.Title}
	case len(f.Cast) > 0:
		return "movie_cast", "PRIMARY", "l.name = ? AND ", []any{f.Cast[0]}
	case f.Year != 0:
		return "movie", "by_year", "m.year = ? AND ", []any{f.Year}
	case len(f.Genres) > 0:
		return "movie_genre", "PRIMARY", "l.name = ? AND ", []any{f.Genres[0]}
	}
	return "movie", "PRIMARY", "", nil
}

// queryIDs reads rows of one integer.
func queryIDs(ctx context.Context, q database.Querier, query string, args []any) (ids []int64, err error) {
	err = database.ForEach(ctx, q, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query, args...)
	return ids, err
}

func anys(ids []int64) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}
