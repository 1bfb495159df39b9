package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

const selectRejections = "SELECT id, object_key, object_etag, position, reason, rejected_at FROM rejection"

// Rejections returns the newest rejections, at most limit, without their bytes.
// With start above 0, only ids below it.
func (c *Catalogue) Rejections(ctx context.Context, start int64, limit int) ([]report.Rejection, error) {
	query, args := selectRejections, []any{}
	if start > 0 {
		query, args = query+" WHERE id < ?", append(args, start)
	}
	return c.queryRejections(ctx, query+" ORDER BY id DESC LIMIT ?", append(args, limit)...)
}

// maxRejections bounds what RejectionsOf returns.
const maxRejections = 100

// RejectionsOf returns rejections of the objects of a key, at most 100, without their
// bytes: first those of the generations with the given ETags, in that order.
func (c *Catalogue) RejectionsOf(ctx context.Context, key string, etags []string) (found []report.Rejection, err error) {
	query := selectRejections + c.db.Force("generation") + " WHERE object_key = ?"
	for _, etag := range etags {
		some, err := c.queryRejections(ctx, query+" AND object_etag = ? ORDER BY position LIMIT ?", key, etag, maxRejections-len(found))
		if err != nil {
			return nil, err
		}
		if found = append(found, some...); len(found) == maxRejections {
			return found, nil
		}
	}
	all, err := c.queryRejections(ctx, query+" LIMIT ?", key, maxRejections+len(found))
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(all, func(r report.Rejection) bool { return slices.Contains(etags, r.ObjectETag) })
	return append(found, others[:min(len(others), maxRejections-len(found))]...), nil
}

func (c *Catalogue) queryRejections(ctx context.Context, query string, args ...any) ([]report.Rejection, error) {
	var found []report.Rejection
	err := database.ForEach(ctx, c.db.Reader(), func(rows *sql.Rows) error {
		var r report.Rejection
		var at int64
		err := rows.Scan(&r.ID, &r.Key, &r.ObjectETag, &r.Position, &r.Reason, &at)
		r.Time = fromMilli(at)
		found = append(found, r)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read rejections: %w", err)
	}
	return found, nil
}

// Rejection returns a rejection with its bytes. It returns movie.ErrNotFound when there is
// none with the id.
func (c *Catalogue) Rejection(ctx context.Context, id int64) (report.Rejection, error) {
	r := report.Rejection{ID: id}
	var at int64
	err := c.db.Reader().QueryRowContext(ctx, "SELECT object_key, object_etag, position, reason, bytes, truncated, rejected_at FROM rejection WHERE id = ?", id).
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

// DropRejection deletes a rejection.
func (c *Catalogue) DropRejection(ctx context.Context, id int64) error {
	err := c.db.Transact(ctx, func(tx *sql.Tx, _ int) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM rejection WHERE id = ?", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop rejection %d: %w", id, err)
	}
	return nil
}
