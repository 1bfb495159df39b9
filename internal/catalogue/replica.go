package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Missing returns the commit time, by the worker's clock, of the first change that the
// read replica lacks; zero when it lacks none. When the primary does not tell, it returns,
// with the error, that of the newest change that the replica has; zero if it keeps none.
func (c *Catalogue) Missing(ctx context.Context) (since time.Time, err error) {
	shown, err := c.Revision(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the replica: %w", err)
	}
	newest := c.newest(ctx) // before the primary, which may be silent until ctx ends
	var revision int64
	var changed sql.NullInt64
	err = c.db.Primary().QueryRowContext(ctx, "SELECT revision, (SELECT changed_at FROM change_log WHERE revision > ? ORDER BY revision LIMIT 1)"+
		" FROM catalogue WHERE id = 1", shown).Scan(&revision, &changed)
	switch {
	case err != nil:
		return newest, fmt.Errorf("ask the primary: %w", err)
	case changed.Valid:
		return fromMilli(changed.Int64), nil
	case revision > shown:
		return newest, fmt.Errorf("the replica is at revision %d, and the primary no longer keeps what came after it", shown)
	}
	return time.Time{}, nil
}

// newest returns the commit time of the newest change that the replica has; zero if it is not
// known.
func (c *Catalogue) newest(ctx context.Context) time.Time {
	var changed int64
	if c.db.Reader().QueryRowContext(ctx, "SELECT changed_at FROM change_log ORDER BY revision DESC LIMIT 1").Scan(&changed) != nil {
		return time.Time{}
	}
	return fromMilli(changed)
}
