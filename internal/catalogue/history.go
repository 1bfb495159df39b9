package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// History returns the newest kept changes of a movie, visible or deleted, at most limit.
// With start above 0, only revisions below it. It returns movie.ErrNotFound when there
// never was such a movie.
func (c *Catalogue) History(ctx context.Context, id, start int64, limit int) ([]report.Event, error) {
	events, err := c.readHistory(ctx, id, start, limit)
	if err != nil {
		return nil, fmt.Errorf("read history of movie %d: %w", id, err)
	}
	if len(events) > 0 {
		return events, nil
	}
	err = c.db.Reader().QueryRowContext(ctx, "SELECT id FROM movie WHERE id = ?", id).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, movie.ErrNotFound
	}
	return nil, err
}

func (c *Catalogue) readHistory(ctx context.Context, id, start int64, limit int) (events []report.Event, err error) {
	query, args := "SELECT revision, changed_at, changed FROM change_log"+c.db.Force("by_movie")+" WHERE movie_id = ?", []any{id}
	if start > 0 {
		query, args = query+" AND revision < ?", append(args, start)
	}
	err = database.ForEach(ctx, c.db.Reader(), func(rows *sql.Rows) error {
		var e report.Event
		var at int64
		err := rows.Scan(&e.Revision, &at, &e.Changed)
		e.Time = fromMilli(at)
		events = append(events, e)
		return err
	}, query+" ORDER BY revision DESC LIMIT ?", append(args, limit)...)
	return events, err
}
