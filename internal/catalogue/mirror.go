package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

const selectStates = "SELECT id, title, year, hidden, fields FROM movie"

// Snapshot passes all movies, hidden ones included, as they are at one mark, the lowest id
// first. It calls begin with the mark and the number of visible movies, and then each with
// groups of movies, which are valid until each returns. It stops at the first error from
// begin or each. It returns an error when the number of visible movies is another one than
// the catalogue's: a restore has not ended, or somebody changed rows.
func (c *Catalogue) Snapshot(ctx context.Context, begin func(at movie.Mark, movies int64) error, each func([]movie.State) error) error {
	return c.snapshot(ctx, func(tx *sql.Tx) error {
		var at movie.Mark
		var movies int64
		err := tx.QueryRowContext(ctx, "SELECT c.revision, c.movies, COALESCE(l.movie_id, 0), COALESCE(l.changed_at, 0)"+
			" FROM catalogue c LEFT JOIN change_log l ON l.revision = c.revision WHERE c.id = 1").Scan(&at.Revision, &movies, &at.Movie, &at.ChangedAt)
		if err != nil {
			return err
		}
		if err := begin(at, movies); err != nil {
			return err
		}
		g := stateGroup{each: each}
		for ended := false; !ended; {
			n, err := g.read(ctx, tx, selectStates+c.db.Force("PRIMARY")+" WHERE id > ? ORDER BY id LIMIT ?", g.last, streamRows)
			if err != nil {
				return err
			}
			ended = n < streamRows
		}
		if g.visible != movies {
			return fmt.Errorf("the catalogue counts %d movies, and %d are there: wait for a restore to end, or run jpmovies verify --repair", movies, g.visible)
		}
		return g.flush()
	})
}

// Since passes the movies that changed after a mark, hidden ones included, as they are at
// a later mark, which it returns. The marks are equal when nothing changed. It calls each
// as Snapshot does, and without movies while it still looks for changes. It returns
// movie.ErrReplaced when the mark is of another catalogue,
// and movie.ErrPruned when some of the changes are no longer kept, or their movies are not
// there.
func (c *Catalogue) Since(ctx context.Context, mark movie.Mark, each func([]movie.State) error) (movie.Mark, error) {
	revision, err := currentRevision(ctx, c.db.Reader(), mark)
	if err != nil {
		return mark, fmt.Errorf("read changes: %w", err)
	}
	if revision == mark.Revision {
		return mark, nil
	}
	at := mark
	err = c.snapshot(ctx, func(tx *sql.Tx) error {
		revision, err := currentRevision(ctx, tx, mark)
		if err != nil {
			return err
		}
		ids, err := changedSince(ctx, tx, &at, func() error { return each(nil) })
		if err != nil {
			return err
		}
		if at.Revision != revision { // the log is empty
			return movie.ErrPruned
		}
		g := stateGroup{each: each}
		for some := range slices.Chunk(ids, database.MaxTuples) {
			n, err := g.read(ctx, tx, selectStates+c.db.Force("PRIMARY")+" WHERE id IN "+database.Tuples(1, len(some)), anys(some)...)
			if err != nil {
				return err
			}
			if n < len(some) {
				return movie.ErrPruned
			}
		}
		return g.flush()
	})
	if err != nil {
		return mark, err
	}
	return at, nil
}

func (c *Catalogue) snapshot(ctx context.Context, read func(*sql.Tx) error) error {
	if err := c.db.Snapshot(ctx, read); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	return nil
}

// currentRevision returns the catalogue's revision. It returns movie.ErrReplaced when the
// mark is of another catalogue: the revision is lower than the mark's, or the log has
// another change at it. A pruned change proves nothing.
func currentRevision(ctx context.Context, q database.Querier, mark movie.Mark) (revision int64, err error) {
	var id, at sql.NullInt64
	err = q.QueryRowContext(ctx, "SELECT c.revision, l.movie_id, l.changed_at FROM catalogue c LEFT JOIN change_log l ON l.revision = ? WHERE c.id = 1", mark.Revision).
		Scan(&revision, &id, &at)
	if err == nil && (revision < mark.Revision || id.Valid && (id.Int64 != mark.Movie || at.Int64 != mark.ChangedAt)) {
		err = movie.ErrReplaced
	}
	return revision, err
}

// changedSince returns the distinct ids of the movies that changed after a mark, in order,
// and moves the mark to the last change. It calls alive between pages. It returns
// movie.ErrPruned when some of the changes are no longer kept.
func changedSince(ctx context.Context, tx *sql.Tx, mark *movie.Mark, alive func() error) ([]int64, error) {
	ids := make(map[int64]bool)
	for {
		n, err := readChanged(ctx, tx, mark, ids)
		if err != nil {
			return nil, err
		}
		if n < streamRows {
			return slices.Sorted(maps.Keys(ids)), nil
		}
		if err := alive(); err != nil {
			return nil, err
		}
	}
}

func readChanged(ctx context.Context, tx *sql.Tx, mark *movie.Mark, ids map[int64]bool) (n int, err error) {
	err = database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		wanted := mark.Revision + 1
		if err := rows.Scan(&mark.Revision, &mark.Movie, &mark.ChangedAt); err != nil {
			return err
		}
		if mark.Revision != wanted {
			return movie.ErrPruned
		}
		ids[mark.Movie] = true
		n++
		return nil
	}, "SELECT revision, movie_id, changed_at FROM change_log WHERE revision > ? ORDER BY revision LIMIT ?", mark.Revision, streamRows)
	return n, err
}

// stateGroup collects movies for one call of each.
type stateGroup struct {
	each  func([]movie.State) error
	group []movie.State
	text  []byte // backs the group's fields; reused by the next group
	last  int64  // id of the last row read

	visible int64 // how many of the rows read are visible movies
}

// read reads rows of movie and returns their number.
func (g *stateGroup) read(ctx context.Context, tx *sql.Tx, query string, args ...any) (n int, err error) {
	err = database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		var s movie.State
		var fields sql.RawBytes
		if err := rows.Scan(&s.ID, &s.Title, &s.Year, &s.Hidden, &fields); err != nil {
			return err
		}
		n++
		if !s.Hidden {
			g.visible++
			begin := len(g.text)
			g.text = append(g.text, fields...)
			s.Fields = g.text[begin:len(g.text):len(g.text)]
		}
		g.group, g.last = append(g.group, s), s.ID
		if len(g.group) == groupRows || len(g.text) >= groupBytes {
			return g.flush()
		}
		return nil
	}, query, args...)
	return n, err
}

func (g *stateGroup) flush() error {
	if len(g.group) == 0 {
		return nil
	}
	err := g.each(g.group)
	g.group, g.text = g.group[:0], g.text[:0]
	return err
}
