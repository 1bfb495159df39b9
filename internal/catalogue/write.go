package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

// Apply commits a batch in one transaction: the movies, their links, the
// rejections, the change log, the revision and the ingest log; all of it or
// nothing. It returns how many movies readers now see differently.
//
// Applying a batch again changes nothing. The error is a *movie.RefusedError
// when a healthy database refuses the data for good; any other means that the
// batch may or may not be committed and is to be applied again later.
func (c *Catalogue) Apply(ctx context.Context, batch movie.Batch) (changes int, err error) {
	if batch.Empty() {
		return 0, nil
	}
	records := movie.Collect(batch.Updates)
	err = c.db.Transact(ctx, func(tx *sql.Tx, attempt int) error {
		// The first attempt inserts in the order of the batch, so that ids follow it.
		// Writers that meet on the same new movies may deadlock then, so retries insert in
		// sorted order. Existing rows are always locked in sorted order.
		if attempt > 0 {
			slices.SortFunc(records, func(a, b movie.Record) int { return a.Compare(b.Identity) })
		}
		changes, err = c.apply(ctx, tx, records, batch)
		return err
	})
	// The engine knows no movie, so it has an error of its own.
	if refused, ok := errors.AsType[*database.RefusedError](err); ok {
		err = (*movie.RefusedError)(refused)
	}
	return changes, err
}

// apply runs the statements in the one order that all writers share: movie, links,
// rejection, and last the catalogue's row. Every writer with changes needs that row's
// lock, so it is held only while the two logs are written.
func (c *Catalogue) apply(ctx context.Context, tx *sql.Tx, records []movie.Record, batch movie.Batch) (int, error) {
	known, err := c.lock(ctx, tx, records)
	if err != nil {
		return 0, err
	}
	p := newPlan(records, known)
	if err := c.writeMovies(ctx, tx, p); err != nil {
		return 0, err
	}
	if err := c.writeLinks(ctx, tx, p); err != nil {
		return 0, err
	}
	if err := c.writeRejections(ctx, tx, batch.Rejections); err != nil {
		return 0, err
	}
	changed := p.changed()
	var revision int64
	if len(changed) > 0 {
		if revision, err = c.writeChanges(ctx, tx, changed, p.growth()); err != nil {
			return 0, err
		}
	}
	return len(changed), c.writeIngest(ctx, tx, ingestions(batch, touched(known, p, changed, revision)))
}

// row is a decoded row of movie.
type row struct {
	id     int64
	record movie.Record
	// intact: the row shows what its record says. Somebody may have changed it by hand.
	intact bool
}

// maxLocked bounds the fields in bytes of the movies of one transaction: small updates of
// many large movies come in batches that the caller divides.
const maxLocked = 4 << 20

var errLocked = errors.New("the movies of these updates hold more than 4 MiB")

// lock reads the movies' rows and locks them until the transaction ends. Sorted keys make
// writers wait for each other instead of deadlocking.
func (c *Catalogue) lock(ctx context.Context, tx *sql.Tx, records []movie.Record) (map[movie.Identity]row, error) {
	identities := make([]movie.Identity, len(records))
	for i, r := range records {
		identities[i] = r.Identity
	}
	slices.SortFunc(identities, movie.Identity.Compare)
	known := make(map[movie.Identity]row, len(records))
	size := 0
	for group := range slices.Chunk(identities, database.MaxTuples) {
		if err := c.lockGroup(ctx, tx, group, known, &size); err != nil {
			return nil, fmt.Errorf("lock movies: %w", err)
		}
	}
	return known, nil
}

func (c *Catalogue) lockGroup(ctx context.Context, tx *sql.Tx, group []movie.Identity, known map[movie.Identity]row, size *int) error {
	query := "SELECT id, title, year, hidden, fields, stamps FROM movie" + c.db.Force("identity") +
		" WHERE " + c.db.In("title", "year", len(group)) + c.db.ForUpdate()
	return database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		r, n, err := scanRow(rows)
		if err != nil {
			return err
		}
		known[r.record.Identity] = r
		if *size += n; *size > maxLocked && len(known) > 1 {
			return &database.RefusedError{Reason: errLocked, Setting: true}
		}
		return nil
	}, query, identityArgs(group)...)
}

func identityArgs(group []movie.Identity) []any {
	args := make([]any, 0, 2*len(group))
	for _, i := range group {
		args = append(args, i.Title, i.Year)
	}
	return args
}

// scanRow returns a row and the size of its fields in bytes. A damaged row refuses the updates
// of its movie alone.
func scanRow(rows *sql.Rows) (r row, size int, err error) {
	var hidden bool
	var fields, stamps sql.RawBytes
	if err := rows.Scan(&r.id, &r.record.Title, &r.record.Year, &hidden, &fields, &stamps); err != nil {
		return row{}, 0, err
	}
	if err := r.record.SetStamps(stamps); err != nil {
		return row{}, 0, damaged(r.id, err)
	}
	if hidden {
		r.intact = !r.record.Visible()
		return r, 0, nil
	}
	m, err := movie.ParseFields(fields)
	if err != nil {
		return row{}, 0, damaged(r.id, err)
	}
	r.record.Cast.List, r.record.Genres.List = m.Cast, m.Genres
	r.intact = r.record.Visible() && m.Identity == r.record.Identity
	return r, len(fields), nil
}

func damaged(id int64, err error) error {
	return &database.RefusedError{Reason: fmt.Errorf("movie %d: %w; jpmovies verify shows it, a backup has the row of before", id, err), Setting: true}
}

// writeMovies inserts the new movies, reads their ids, and overwrites the changed ones. A
// movie that readers see unchanged gets only its new stamps.
func (c *Catalogue) writeMovies(ctx context.Context, tx *sql.Tx, p *plan) error {
	var fresh, stale, confirmed []any
	var identities []movie.Identity
	for i := range p.steps {
		s := &p.steps[i]
		stamps := s.after.AppendStamps(nil)
		if s.intact && s.after.ShowsSame(s.before) {
			confirmed = append(confirmed, s.id, stamps)
			continue
		}
		fields := s.after.Movie().AppendFields(nil)
		if s.id == 0 {
			fresh = append(fresh, s.after.Title, s.after.Year, !s.after.Visible(), fields, stamps)
			identities = append(identities, s.after.Identity)
		} else {
			stale = append(stale, s.id, !s.after.Visible(), fields, stamps)
		}
	}
	if err := database.Insert(ctx, tx, insertMovie, fresh); err != nil {
		return err
	}
	if err := c.learnIDs(ctx, tx, identities, p); err != nil {
		return err
	}
	if err := database.Overwrite(ctx, tx, overwriteMovie, stale); err != nil {
		return err
	}
	return database.Overwrite(ctx, tx, overwriteStamps, confirmed)
}

// learnIDs reads the ids of the inserted movies. No engine-independent way returns them
// from the INSERT.
func (c *Catalogue) learnIDs(ctx context.Context, tx *sql.Tx, identities []movie.Identity, p *plan) error {
	slices.SortFunc(identities, movie.Identity.Compare)
	ids := make(map[movie.Identity]int64, len(identities))
	for group := range slices.Chunk(identities, database.MaxTuples) {
		if err := c.readIDs(ctx, tx, group, ids); err != nil {
			return fmt.Errorf("read new ids: %w", err)
		}
	}
	for i := range p.steps {
		if s := &p.steps[i]; s.id == 0 {
			s.id = ids[s.after.Identity]
			if s.id == 0 {
				return fmt.Errorf("movie %q (%d) was inserted but is not there", s.after.Title, s.after.Year)
			}
		}
	}
	return nil
}

func (c *Catalogue) readIDs(ctx context.Context, tx *sql.Tx, group []movie.Identity, ids map[movie.Identity]int64) error {
	return database.ForEach(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var i movie.Identity
		err := rows.Scan(&id, &i.Title, &i.Year)
		ids[i] = id
		return err
	}, "SELECT id, title, year FROM movie"+c.db.Force("identity")+" WHERE "+c.db.In("title", "year", len(group)), identityArgs(group)...)
}

// writeLinks deletes and inserts the link rows that differ, in the order of their keys.
func (c *Catalogue) writeLinks(ctx context.Context, tx *sql.Tx, p *plan) error {
	for _, t := range linkTables {
		l := p.links(t)
		if err := c.db.DeletePairs(ctx, tx, t.Name, "name", "movie_id", LinkArguments(l.deleted)); err != nil {
			return err
		}
		if err := database.Insert(ctx, tx, t.Insertion(c.db), LinkArguments(l.inserted)); err != nil {
			return err
		}
	}
	return nil
}

// maxReason is the length in bytes at which a reason is cut.
const maxReason = 2048

// writeRejections stores each rejection once, however often it is delivered.
func (c *Catalogue) writeRejections(ctx context.Context, tx *sql.Tx, rejections []movie.Rejection) error {
	now := c.db.Now().UnixMilli()
	var args []any
	for _, r := range rejections {
		reason := strings.ToValidUTF8(r.Reason[:min(len(r.Reason), maxReason)], "")
		args = append(args, r.Key, r.ObjectETag, r.Position, reason, append([]byte{}, r.Bytes...), r.Truncated, now) // nil would be NULL
	}
	return database.Insert(ctx, tx, c.insertRejection(), args)
}

// writeChanges takes revisions, writes the change log, and updates the number of visible
// movies. revision is that of the last change. The UPDATE locks the catalogue's row until
// the commit, and every other writer with changes waits for that lock, so revisions are
// committed in order. While it is held, only the change log and the ingest log are
// written.
func (c *Catalogue) writeChanges(ctx context.Context, tx *sql.Tx, changed []change, movies int) (revision int64, err error) {
	_, err = tx.ExecContext(ctx, "UPDATE catalogue SET revision = revision + ?, movies = movies + ? WHERE id = 1", len(changed), movies)
	if err != nil {
		return 0, fmt.Errorf("take revisions: %w", err)
	}
	if err := tx.QueryRowContext(ctx, "SELECT revision FROM catalogue WHERE id = 1").Scan(&revision); err != nil {
		return 0, fmt.Errorf("take revisions: %w", err)
	}
	now := c.db.Now().UnixMilli()
	args := make([]any, 0, 4*len(changed))
	for i, c := range changed {
		args = append(args, revision-int64(len(changed)-1-i), c.id, now, c.what)
	}
	return revision, database.Insert(ctx, tx, insertChange, args)
}

var (
	insertMovie     = database.Insertion{Head: "INSERT INTO movie (title, year, hidden, fields, stamps)", Columns: 5, Tail: ""}
	overwriteMovie  = database.Overwriting{Table: "movie", Columns: []string{"hidden", "fields", "stamps"}}
	overwriteStamps = database.Overwriting{Table: "movie", Columns: []string{"stamps"}}
	insertChange    = database.Insertion{Head: "INSERT INTO change_log (revision, movie_id, changed_at, changed)", Columns: 4, Tail: ""}
)

func (c *Catalogue) insertRejection() database.Insertion {
	return database.Insertion{Head: "INSERT INTO rejection (object_key, object_etag, position, reason, bytes, truncated, rejected_at)", Columns: 7, Tail: c.db.OnDuplicate("object_key, object_etag, position", "rejected_at")}
}
