package catalogue

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// Changes returns the first changes after a revision in commit order, at most limit, each
// with the movie as it is now. It stops once they hold movie.MaxBytes. It returns
// movie.ErrPruned when some of them are no longer kept.
func (c *Catalogue) Changes(ctx context.Context, since int64, limit int) ([]movie.Change, error) {
	query := "SELECT " + c.db.Straight() + "c.revision, c.movie_id, m.hidden, m.fields FROM change_log c" + c.db.Force("PRIMARY") +
		" CROSS JOIN movie m" + c.db.Force("PRIMARY") + " ON m.id = c.movie_id WHERE c.revision > ? ORDER BY c.revision LIMIT ?"
	rows, err := c.db.Reader().QueryContext(ctx, query, since, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	defer rows.Close()
	var changes []movie.Change
	for size := 0; size < movie.MaxBytes && rows.Next(); {
		var c movie.Change
		var hidden bool
		if err := rows.Scan(&c.Revision, &c.Row.ID, &hidden, &c.Row.Fields); err != nil {
			return nil, fmt.Errorf("read changes: %w", err)
		}
		if hidden {
			c.Row.Fields = nil
		}
		size += len(c.Row.Fields)
		changes = append(changes, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	if len(changes) > 0 && changes[0].Revision == since+1 {
		return changes, nil
	}
	return changes, c.checkKept(ctx, since, len(changes) > 0)
}

// checkKept finds out why the change after a revision is missing: it has not happened yet,
// or it is no longer kept.
func (c *Catalogue) checkKept(ctx context.Context, since int64, later bool) error {
	if later {
		return movie.ErrPruned
	}
	revision, err := c.Revision(ctx)
	if err != nil {
		return err
	}
	var next sql.NullInt64
	// Read the log after the revision, so that a change committed in between is seen.
	err = c.db.Reader().QueryRowContext(ctx, "SELECT MIN(revision) FROM change_log WHERE revision > ?", since).Scan(&next)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	if revision > since && next.Int64 != since+1 {
		return movie.ErrPruned
	}
	return nil
}
