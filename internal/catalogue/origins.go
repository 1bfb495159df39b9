package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Origins returns the updates that set the parts of a movie: the one with an id, or, when
// the id is 0, the one with an identity. It returns movie.ErrNotFound when there never was
// one.
func (c *Catalogue) Origins(ctx context.Context, id int64, i movie.Identity) (report.Origins, error) {
	query, args := "SELECT id, title, year, hidden, stamps FROM movie WHERE id = ?", []any{id}
	if id == 0 {
		query, args = "SELECT id, title, year, hidden, stamps FROM movie WHERE title = ? AND year = ?", []any{i.Title, i.Year}
	}
	var o report.Origins
	var hidden bool
	var stamps []byte
	err := c.db.Reader().QueryRowContext(ctx, query, args...).Scan(&o.ID, &o.Title, &o.Year, &hidden, &stamps)
	if errors.Is(err, sql.ErrNoRows) {
		return o, movie.ErrNotFound
	}
	if err != nil {
		return o, fmt.Errorf("read origins: %w", err)
	}
	var r movie.Record
	if err := r.SetStamps(stamps); err != nil {
		return o, fmt.Errorf("movie %d: %w", o.ID, err)
	}
	o.Visible, o.Parts = !hidden, report.OriginsOf(r)
	return o, nil
}
