package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Missing returns the commit time, by the worker's clock, of the first change that the
// read replica lacks; zero when it lacks none.
func (c *Catalogue) Missing(ctx context.Context) (since time.Time, err error) {
	shown, err := c.Revision(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the replica: %w", err)
	}
	var revision int64
	var changed sql.NullInt64
	err = c.db.Primary().QueryRowContext(ctx, "SELECT revision, (SELECT changed_at FROM change_log WHERE revision > ? ORDER BY revision LIMIT 1)"+
		" FROM catalogue WHERE id = 1", shown).Scan(&revision, &changed)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("ask the primary: %w", err)
	case changed.Valid:
		return fromMilli(changed.Int64), nil
	case revision > shown:
		return time.Time{}, fmt.Errorf("the replica is at revision %d, and the primary no longer keeps what came after it", shown)
	}
	return time.Time{}, nil
}
