package catalogue

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// A statement of an export or a snapshot reads at most streamRows rows, so that no
// server's statement timeout ends it. The caller gets at most groupRows rows and about
// groupBytes at a time.
const (
	streamRows = 10_000
	groupRows  = 1000
	groupBytes = movie.MaxBytes
)

// Export passes all matching movies of one snapshot, the highest id first: it calls begin
// with the revision, and then each with groups of movies, which may be empty while none
// matches. It stops at the first error from begin or each. At most database.Options.Exports
// run at once; more of them wait. An export locks no rows, but migrations that change a
// table wait for it, and the server keeps old rows until it ends, so each must not stall.
func (c *Catalogue) Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error {
	err := c.db.LongSnapshot(ctx, func(tx *sql.Tx) error {
		var revision int64
		if err := tx.QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
			return err
		}
		if err := begin(revision); err != nil {
			return err
		}
		e := exporter{filter: f, each: each}
		for {
			ended, err := c.candidates(ctx, tx, f, e.last, streamRows, e.add)
			if err == nil {
				err = e.flush()
			}
			if err != nil || ended {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// exporter groups matching movies.
type exporter struct {
	filter movie.Filter
	each   func([]movie.Row) error
	last   int64 // id of the last candidate
	group  []movie.Row
	size   int
}

func (e *exporter) add(c candidate) (more bool, err error) {
	e.last = c.id
	matches, err := c.matches(e.filter)
	if err != nil || !matches {
		return err == nil, err
	}
	e.group, e.size = append(e.group, c.row()), e.size+len(c.fields)
	if len(e.group) == groupRows || e.size >= groupBytes {
		err = e.flush()
	}
	return err == nil, err
}

func (e *exporter) flush() error {
	err := e.each(e.group)
	e.group, e.size = e.group[:0], 0
	return err
}
