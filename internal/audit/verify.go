package audit

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

// Difference is a row or counter that disagrees with the movies' rows.
type Difference struct {
	// Table names the table, Row the row in it: the name of a link, or a counter.
	Table string `json:"table"`
	Row   string `json:"row"`
	// MovieID is the movie of a link or a row; else 0.
	MovieID int64 `json:"movie_id,omitempty"`
	// Found and Expected describe the difference.
	Found    string `json:"found"`
	Expected string `json:"expected"`

	link  string // the name of a link
	drift int64  // what the number of movies lacks
}

func (d Difference) String() string {
	text := d.Table + " " + d.Row
	if d.MovieID > 0 {
		text += fmt.Sprintf(" of movie %d", d.MovieID)
	}
	return text + ": found " + d.Found + ", expected " + d.Expected
}

const (
	nothing = "nothing"
	aRow    = "a row"
)

// verifyRows is how many movies or links are read at a time.
const verifyRows = 500

// Verify compares the link tables and the number of movies with the movies' rows, and
// looks for holes in the change log. It reads one snapshot, whose revision and number of
// movies it returns, so workers may run meanwhile. It calls found for each difference, and
// checked from time to time with the number of movies read so far.
func (a *Auditor) Verify(ctx context.Context, found func(Difference), checked func(movies int64)) (revision, movies int64, err error) {
	err = a.db.LongSnapshot(ctx, func(tx *sql.Tx) error {
		v := &verification{db: a.db, tx: tx, found: found, links: map[string]int64{}}
		for _, step := range []func(context.Context) error{
			func(ctx context.Context) error { return v.movies(ctx, checked) }, v.surplus, v.counters, v.changes,
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		revision, movies = v.revision, v.shown
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("verify: %w", err)
	}
	return revision, movies, nil
}

// verification is the state of one Verify run.
type verification struct {
	db    *database.DB
	tx    *sql.Tx
	found func(Difference)
	links map[string]int64 // correct rows of each link table
	shown int64            // visible movies

	revision int64
}

// visible is a visible movie.
type visible struct {
	id int64
	movie.Movie
}

// movies reads all rows and checks the links of each.
func (v *verification) movies(ctx context.Context, checked func(int64)) error {
	total := int64(0)
	for start := int64(0); ; {
		some, last, n, err := v.read(ctx, start)
		if err != nil || n == 0 {
			return err
		}
		for _, t := range catalogue.LinkTables() {
			if err := v.missing(ctx, t, some); err != nil {
				return err
			}
		}
		total += int64(n)
		checked(total)
		start = last
	}
}

func (v *verification) read(ctx context.Context, after int64) (some []visible, last int64, n int, err error) {
	err = database.ForEach(ctx, v.tx, func(rows *sql.Rows) error {
		var r movie.Record
		var hidden bool
		var fields, stamps sql.RawBytes
		if err := rows.Scan(&last, &r.Title, &r.Year, &hidden, &fields, &stamps); err != nil {
			return err
		}
		n++
		damaged := func(found, expected string) {
			v.found(Difference{Table: "movie", Row: fmt.Sprintf("%q (%d)", r.Title, r.Year), MovieID: last, Found: found, Expected: expected})
		}
		switch err := r.SetStamps(stamps); {
		case err != nil:
			damaged(fmt.Sprintf("stamps %.200x", stamps), "stamps as they are written")
		case r.Visible() == hidden:
			damaged(fmt.Sprintf("hidden %t", hidden), fmt.Sprintf("%t, as the stamps say", !hidden))
		}
		if hidden {
			return nil
		}
		v.shown++
		m, err := movie.ParseFields(fields)
		if err != nil || m.Identity != r.Identity || !bytes.Equal(m.AppendFields(nil), fields) {
			damaged(fmt.Sprintf("fields %.200q", fields), "those of title and year, as they are written")
			return nil
		}
		some = append(some, visible{last, m})
		return nil
	}, "SELECT id, title, year, hidden, fields, stamps FROM movie WHERE id > ? ORDER BY id LIMIT ?", after, verifyRows)
	return some, last, n, err
}

// missing reports links that movies should have and have not.
func (v *verification) missing(ctx context.Context, t catalogue.LinkTable, some []visible) error {
	var wanted []catalogue.Link
	for _, m := range some {
		wanted = append(wanted, t.LinksOf(m.id, m.Movie)...)
	}
	for group := range slices.Chunk(wanted, database.MaxTuples) {
		there, err := v.there(ctx, t, group)
		if err != nil {
			return err
		}
		v.links[t.Name] += int64(len(there))
		for _, l := range group {
			if !there[l] {
				v.found(linkDifference(t, l, nothing, aRow))
			}
		}
	}
	return nil
}

func linkDifference(t catalogue.LinkTable, l catalogue.Link, found, expected string) Difference {
	return Difference{Table: t.Name, Row: fmt.Sprintf("%q", l.Name), MovieID: l.MovieID, Found: found, Expected: expected, link: l.Name}
}

func (v *verification) there(ctx context.Context, t catalogue.LinkTable, group []catalogue.Link) (map[catalogue.Link]bool, error) {
	return readLinks(ctx, v.tx, t, v.db.In("name", "movie_id", len(group)), catalogue.LinkArguments(slices.Clone(group))...)
}

// readLinks reads the rows of a link table that meet a condition.
func readLinks(ctx context.Context, q database.Querier, t catalogue.LinkTable, condition string, args ...any) (map[catalogue.Link]bool, error) {
	links := make(map[catalogue.Link]bool)
	err := database.ForEach(ctx, q, func(rows *sql.Rows) error {
		var l catalogue.Link
		err := rows.Scan(&l.Name, &l.MovieID)
		links[l] = true
		return err
	}, "SELECT name, movie_id FROM "+t.Name+" WHERE "+condition, args...)
	return links, err
}

// surplus reports links that no movie should have. It reads a table only if the table has
// more rows than the movies have links.
func (v *verification) surplus(ctx context.Context) error {
	for _, t := range catalogue.LinkTables() {
		var rows int64
		if err := v.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.Name).Scan(&rows); err != nil {
			return err
		}
		if rows == v.links[t.Name] {
			continue
		}
		if err := v.readAll(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) readAll(ctx context.Context, t catalogue.LinkTable) error {
	for last := (catalogue.Link{}); ; {
		some, err := linksAfter(ctx, v.tx, t, last)
		if err != nil || len(some) == 0 {
			return err
		}
		if err := v.owned(ctx, t, some); err != nil {
			return err
		}
		last = some[len(some)-1]
	}
}

// linksAfter returns the next rows of a link table by primary key: the rest of a name, else
// of the following names. Each is one range of the key on every engine.
func linksAfter(ctx context.Context, q database.Querier, t catalogue.LinkTable, last catalogue.Link) ([]catalogue.Link, error) {
	some, err := readLinks(ctx, q, t, "name = ? AND movie_id > ? ORDER BY movie_id LIMIT ?", last.Name, last.MovieID, verifyRows)
	if err == nil && len(some) == 0 {
		some, err = readLinks(ctx, q, t, "name > ? ORDER BY name, movie_id LIMIT ?", last.Name, verifyRows)
	}
	return slices.SortedFunc(maps.Keys(some), catalogue.Link.Compare), err
}

// owned reports those of the links that no movie should have. What a damaged row should
// have is unknown.
func (v *verification) owned(ctx context.Context, t catalogue.LinkTable, links []catalogue.Link) error {
	names := make(map[int64][]string)
	var ids []any
	for _, l := range links {
		if names[l.MovieID] == nil {
			ids = append(ids, l.MovieID)
		}
		names[l.MovieID] = append(names[l.MovieID], l.Name)
	}
	query := "SELECT id, hidden, fields FROM movie WHERE id IN " + database.Tuples(1, len(ids))
	err := database.ForEach(ctx, v.tx, func(rows *sql.Rows) error {
		var id int64
		var hidden bool
		var fields sql.RawBytes
		if err := rows.Scan(&id, &hidden, &fields); err != nil || hidden {
			return err
		}
		m, err := movie.ParseFields(fields)
		own := t.Names(m)
		names[id] = slices.DeleteFunc(names[id], func(name string) bool { return err != nil || slices.Contains(own, name) })
		return nil
	}, query, ids...)
	if err != nil {
		return err
	}
	for _, l := range links {
		if slices.Contains(names[l.MovieID], l.Name) {
			v.found(linkDifference(t, l, aRow, nothing))
		}
	}
	return nil
}

func (v *verification) counters(ctx context.Context) error {
	var movies int64
	var last sql.NullInt64
	if err := v.tx.QueryRowContext(ctx, "SELECT revision, movies FROM catalogue WHERE id = 1").Scan(&v.revision, &movies); err != nil {
		return err
	}
	if movies != v.shown {
		v.found(Difference{Table: "catalogue", Row: "movies", Found: fmt.Sprint(movies), Expected: fmt.Sprint(v.shown), drift: v.shown - movies})
	}
	if err := v.tx.QueryRowContext(ctx, "SELECT MAX(revision) FROM change_log").Scan(&last); err != nil {
		return err
	}
	if last.Valid && last.Int64 != v.revision {
		v.found(Difference{Table: "catalogue", Row: "revision", Found: fmt.Sprint(v.revision), Expected: fmt.Sprint(last.Int64) + ", the last of change_log"})
	}
	return nil
}

// changes reports holes in the change log, and changes of movies that do not exist.
func (v *verification) changes(ctx context.Context) error {
	var first, last, rows, orphans sql.NullInt64
	if err := v.tx.QueryRowContext(ctx, "SELECT MIN(revision), MAX(revision), COUNT(*) FROM change_log").Scan(&first, &last, &rows); err != nil {
		return err
	}
	if wanted := last.Int64 - first.Int64 + 1; last.Valid && rows.Int64 != wanted {
		v.found(Difference{
			Table: "change_log", Row: fmt.Sprintf("revisions %d to %d", first.Int64, last.Int64), Found: fmt.Sprint(rows.Int64) + " rows", Expected: fmt.Sprint(wanted),
		})
	}
	err := v.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM change_log LEFT JOIN movie ON movie.id = change_log.movie_id WHERE movie.id IS NULL").Scan(&orphans)
	if err == nil && orphans.Int64 > 0 {
		v.found(Difference{Table: "change_log", Row: "movies", Found: fmt.Sprint(orphans.Int64) + " changes of movies that are not there", Expected: "none"})
	}
	return err
}
