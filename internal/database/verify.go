package database

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// Difference is one thing in which tables do not agree with the movies' rows.
type Difference struct {
	// Table that is wrong, and the row in it: a link's name, a facet's kind and
	// value, a counter.
	Table string `json:"table"`
	Row   string `json:"row"`
	// MovieID is of a link or a movie, else 0.
	MovieID int64 `json:"movie_id,omitempty"`
	// Found and Expected say what is wrong.
	Found    string `json:"found"`
	Expected string `json:"expected"`

	link string // the name of a link
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

// Verify compares everything that is derived from the movies' rows with them: the
// link tables, the numbers of movies by genre and year, the counters, and the
// change log's order. It reads one snapshot, so workers may go on. found is told
// of each difference, checked now and then how many movies have been looked at.
func (db *DB) Verify(ctx context.Context, found func(Difference), checked func(movies int64)) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.snapshot})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	v := &verification{DB: db, tx: tx, found: found, tables: linkTables, facets: map[facet]int{}, links: map[string]int64{}}
	for _, step := range []func(context.Context) error{
		v.pairs, func(ctx context.Context) error { return v.movies(ctx, checked) }, v.beginnings, v.surplus, v.compareFacets, v.counters, v.changes,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	return nil
}

// verification is what is known so far.
type verification struct {
	*DB
	tx     *sql.Tx
	found  func(Difference)
	tables []linkTable
	older  bool             // rows of a program that does not know of beginnings
	facets map[facet]int    // as they should be
	links  map[string]int64 // rows of each link table that are right
	shown  int64            // visible movies
}

// pairs leaves pairTable alone if a program that does not know of it has written:
// it is one difference then, and not one for each movie.
func (v *verification) pairs(ctx context.Context) error {
	complete, err := pairsComplete(ctx, v.tx)
	if err != nil || complete {
		return err
	}
	v.tables = slices.DeleteFunc(slices.Clone(linkTables), func(t linkTable) bool { return t.name == pairTable })
	v.found(Difference{Table: pairTable, Row: allPairs, Found: "changes by a program that does not know of them", Expected: allByNew})
	return nil
}

// beginnings that are not known are right, and only make searches slow: they are
// one difference, and none beside the one of all pairs, with which they are mended.
func (v *verification) beginnings(context.Context) error {
	if v.older && len(v.tables) == len(linkTables) {
		v.found(Difference{Table: "movie_word", Row: allBeginnings, Found: "rows of a program that does not know of them", Expected: allByNew})
	}
	return nil
}

// Rows of a Difference in which all rows are meant.
const (
	allPairs      = "pairs"
	allBeginnings = "beginnings"
)

// allByNew is what a Difference of all rows expects.
const allByNew = "all; end such programs before --repair"

// visible is a movie that readers see.
type visible struct {
	id int64
	movie.Movie
}

// movies walks through all rows, and looks for the links of each.
func (v *verification) movies(ctx context.Context, checked func(int64)) error {
	total := int64(0)
	for start := int64(0); ; {
		some, last, n, err := v.read(ctx, start)
		if err != nil || n == 0 {
			return err
		}
		v.count(some)
		for _, t := range v.tables {
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
	rows, err := v.tx.QueryContext(ctx, "SELECT id, title, year, hidden, fields FROM movie WHERE id > ? ORDER BY id LIMIT ?", after, verifyRows)
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	for rows.Next() {
		var title string
		var year int
		var hidden bool
		var fields sql.RawBytes
		if err := rows.Scan(&last, &title, &year, &hidden, &fields); err != nil {
			return nil, 0, 0, err
		}
		n++
		if hidden {
			continue
		}
		m, err := movie.ParseFields(fields)
		if err != nil || m.Title != title || m.Year != year || !bytes.Equal(m.AppendFields(nil), fields) {
			v.found(Difference{
				Table: "movie", Row: fmt.Sprintf("%q (%d)", title, year), MovieID: last,
				Found: fmt.Sprintf("fields %.200q", fields), Expected: "those of title and year, as they are written",
			})
			continue
		}
		some = append(some, visible{last, m})
	}
	return some, last, n, rows.Err()
}

func (v *verification) count(some []visible) {
	v.shown += int64(len(some))
	for _, m := range some {
		v.facets[facet{yearFacet, yearValue(m.Year)}]++
		for _, genre := range m.Genres {
			v.facets[facet{genreFacet, genre}]++
		}
	}
}

// missing looks for the links that movies should have.
func (v *verification) missing(ctx context.Context, t linkTable, some []visible) error {
	var wanted []link
	for _, m := range some {
		wanted = append(wanted, t.linksOf(m.id, m.Movie)...)
	}
	for group := range slices.Chunk(wanted, bulkTuples) {
		there, err := v.there(ctx, t, group)
		if err != nil {
			return err
		}
		v.links[t.name] += int64(len(there))
		for _, l := range group {
			stored, found := there[l.linkKey]
			switch {
			case !found:
				v.found(linkDifference(t, l.linkKey, nothing, aRow))
			case t.dated && stored.year != l.year:
				v.found(linkDifference(t, l.linkKey, fmt.Sprint("year ", stored.year), fmt.Sprint(l.year)))
			case !stored.beginnings.Contain(l.beginnings): // a search would not find the movie
				v.found(linkDifference(t, l.linkKey, fmt.Sprint("beginnings ", stored.beginnings), fmt.Sprint(l.beginnings)))
			case stored.beginnings == movie.AnyBeginnings && l.beginnings != movie.AnyBeginnings: // long titles have all
				v.older = true
			}
		}
	}
	return nil
}

func linkDifference(t linkTable, l linkKey, found, expected string) Difference {
	return Difference{Table: t.name, Row: fmt.Sprintf("%q", l.name), MovieID: l.id, Found: found, Expected: expected, link: l.name}
}

func (v *verification) there(ctx context.Context, t linkTable, group []link) (map[linkKey]link, error) {
	wanted := make([]linkKey, len(group))
	for i, l := range group {
		wanted[i] = l.linkKey
	}
	return readLinks(ctx, v.tx, t, v.dialect.in("name", "movie_id", len(group)), keys(wanted)...)
}

// readLinks reads the rows of a link table for which a condition holds.
func readLinks(ctx context.Context, q querier, t linkTable, condition string, args ...any) (map[linkKey]link, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+strings.Join(t.columns(), ", ")+" FROM "+t.name+" WHERE "+condition, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	links := make(map[linkKey]link)
	for rows.Next() {
		var l link
		into := []any{&l.name, &l.id}
		if t.dated {
			into = append(into, &l.year)
		}
		if t.searched {
			into = append(into, &l.beginnings)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		links[l.linkKey] = l
	}
	return links, rows.Err()
}

// surplus looks for links that no movie has. There are some in a table only if
// it has more rows than were found: then all of it is read.
func (v *verification) surplus(ctx context.Context) error {
	for _, t := range v.tables {
		var rows int64
		if err := v.tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&rows); err != nil {
			return err
		}
		if rows == v.links[t.name] {
			continue
		}
		if err := v.readAll(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) readAll(ctx context.Context, t linkTable) error {
	for last := (linkKey{}); ; {
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

// linksAfter are the next rows of a link table, by key.
func linksAfter(ctx context.Context, q querier, t linkTable, last linkKey) ([]linkKey, error) {
	some, err := readLinks(ctx, q, t,
		"name > ? OR name = ? AND movie_id > ? ORDER BY name, movie_id LIMIT ?", last.name, last.name, last.id, verifyRows)
	return slices.SortedFunc(maps.Keys(some), compareKeys), err
}

// owned looks whether movies have these links.
func (v *verification) owned(ctx context.Context, t linkTable, links []linkKey) error {
	for _, l := range links {
		var hidden bool
		var fields []byte
		err := v.tx.QueryRowContext(ctx, "SELECT hidden, fields FROM movie WHERE id = ?", l.id).Scan(&hidden, &fields)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		m, broken := movie.ParseFields(fields)
		if err != nil || hidden || broken != nil || !slices.Contains(t.of(m), l.name) {
			v.found(linkDifference(t, l, aRow, nothing))
		}
	}
	return nil
}

func (v *verification) compareFacets(ctx context.Context) error {
	stored, err := readFacets(ctx, v.tx)
	if err != nil {
		return err
	}
	for _, f := range facetDifferences(stored, v.facets) {
		v.found(Difference{
			Table: "facet", Row: fmt.Sprintf("%s %q", f.kind, f.value), Found: fmt.Sprint(stored[f]), Expected: fmt.Sprint(v.facets[f]),
		})
	}
	return nil
}

func readFacets(ctx context.Context, q querier) (map[facet]int, error) {
	rows, err := q.QueryContext(ctx, "SELECT kind, value, movies FROM facet")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	facets := make(map[facet]int)
	for rows.Next() {
		var f facet
		var n int
		if err := rows.Scan(&f.kind, &f.value, &n); err != nil {
			return nil, err
		}
		facets[f] = n
	}
	return facets, rows.Err()
}

func facetDifferences(found, wanted map[facet]int) []facet {
	var wrong []facet
	for f, n := range found {
		if wanted[f] != n {
			wrong = append(wrong, f)
		}
	}
	for f := range wanted {
		if _, there := found[f]; !there {
			wrong = append(wrong, f)
		}
	}
	slices.SortFunc(wrong, compareFacets)
	return wrong
}

func (v *verification) counters(ctx context.Context) error {
	var revision, movies int64
	var last sql.NullInt64
	if err := v.tx.QueryRowContext(ctx, "SELECT revision, movies FROM catalogue WHERE id = 1").Scan(&revision, &movies); err != nil {
		return err
	}
	if movies != v.shown {
		v.found(Difference{Table: "catalogue", Row: "movies", Found: fmt.Sprint(movies), Expected: fmt.Sprint(v.shown)})
	}
	if err := v.tx.QueryRowContext(ctx, "SELECT MAX(revision) FROM change_log").Scan(&last); err != nil {
		return err
	}
	if last.Valid && last.Int64 != revision {
		v.found(Difference{Table: "catalogue", Row: "revision", Found: fmt.Sprint(revision), Expected: fmt.Sprint(last.Int64) + ", the last of change_log"})
	}
	return nil
}

// changes looks for holes in the change log, and for changes of no movie.
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
