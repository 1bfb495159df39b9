package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

func compareFacets(a, b facet) int {
	return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.value, b.value))
}

// Repair makes link tables and counters what the movies' rows say, given what
// Verify has found. Workers may go on: each movie is mended under the lock of its
// row. What is not derived from rows (the rows themselves, the change log) is not
// touched. It returns how many differences it has mended.
func (db *DB) Repair(ctx context.Context, differences []Difference) (mended int, err error) {
	counters := false
	for _, d := range differences {
		if d.Table == pairTable && d.Row == allPairs {
			if err := db.fillPairs(ctx); err != nil {
				return mended, fmt.Errorf("repair %s: %w", d, err)
			}
			mended++
		} else if i := slices.IndexFunc(linkTables, func(t linkTable) bool { return t.name == d.Table }); i >= 0 {
			if err := db.repairLinks(ctx, linkTables[i], d); err != nil {
				return mended, fmt.Errorf("repair %s: %w", d, err)
			}
			mended++
		}
		if d.Table == "facet" || d.Table == "catalogue" && d.Row == "movies" {
			counters = true
			mended++
		}
	}
	if !counters {
		return mended, nil
	}
	if err := db.transact(ctx, func(tx *sql.Tx, _ int) error { return db.recount(ctx, tx) }); err != nil {
		return 0, fmt.Errorf("repair counters: %w", err)
	}
	return mended, nil
}

// repairLinks looks at the row once more, under its lock.
func (db *DB) repairLinks(ctx context.Context, t linkTable, d Difference) error {
	return db.transact(ctx, func(tx *sql.Tx, _ int) error {
		var hidden bool
		var fields []byte
		err := tx.QueryRowContext(ctx, "SELECT hidden, fields FROM movie WHERE id = ?"+db.dialect.forUpdate, d.MovieID).Scan(&hidden, &fields)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var m movie.Movie
		if err == nil && !hidden {
			if m, err = movie.ParseFields(fields); err != nil {
				return err
			}
		}
		if !slices.Contains(t.of(m), d.link) {
			return db.remove(ctx, tx, t.name, []any{d.link, d.MovieID})
		}
		into := db.insertInto(t)
		return db.insert(ctx, tx, into, []any{d.link, d.MovieID, m.Year}[:into.columns])
	})
}

// fillPairs makes pairTable anew, while programs that know of it may write. Those
// that do not must have ended: their changes between now and the last statement
// would go unnoticed.
func (db *DB) fillPairs(ctx context.Context) error {
	if err := db.clearPairs(ctx); err != nil {
		return err
	}
	for last := int64(0); ; {
		before := last
		err := db.transact(ctx, func(tx *sql.Tx, _ int) (err error) {
			last, err = db.fillSomePairs(ctx, tx, before)
			return err
		})
		if err != nil {
			return err
		}
		if last == before {
			break
		}
	}
	return db.transact(ctx, func(tx *sql.Tx, _ int) error {
		_, err := tx.ExecContext(ctx, "UPDATE catalogue SET paired = revision WHERE id = 1")
		return err
	})
}

func (db *DB) clearPairs(ctx context.Context) error {
	for {
		rows, err := readLinks(ctx, db.write, "SELECT name, movie_id FROM "+pairTable+" LIMIT ?", verifyRows)
		if err != nil || len(rows) == 0 {
			return err
		}
		gone := keys(slices.Collect(maps.Keys(rows)))
		if err := db.transact(ctx, func(tx *sql.Tx, _ int) error { return db.remove(ctx, tx, pairTable, gone) }); err != nil {
			return err
		}
	}
}

// fillSomePairs inserts the pairs of the first movies after an id, under the locks
// of their rows, and returns the last one's.
func (db *DB) fillSomePairs(ctx context.Context, tx *sql.Tx, after int64) (last int64, err error) {
	rows, err := queryRows(ctx, tx, "SELECT id, fields FROM movie WHERE id > ? AND hidden = 0 ORDER BY id LIMIT ?"+db.dialect.forUpdate,
		[]any{after, verifyRows})
	if err != nil {
		return 0, err
	}
	last = after
	var pairs []link
	for _, r := range rows {
		m, err := movie.ParseFields(r.Fields)
		if err != nil {
			return 0, fmt.Errorf("movie %d: %w", r.ID, err)
		}
		for _, name := range genrePairs(m.Genres) {
			pairs = append(pairs, link{name, r.ID, m.Year})
		}
		last = r.ID
	}
	into := db.insertInto(linkTable{name: pairTable, dated: true})
	return last, db.insert(ctx, tx, into, linkArgs(pairs, into.columns))
}

// recount counts all movies anew, while no writer with changes can commit.
func (db *DB) recount(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, "UPDATE catalogue SET movies = (SELECT COUNT(*) FROM movie WHERE hidden = 0) WHERE id = 1"); err != nil {
		return err
	}
	wanted := make(map[facet]int)
	for kind, query := range map[string]string{
		genreFacet: "SELECT name, COUNT(*) FROM movie_genre GROUP BY name",
		yearFacet:  "SELECT year, COUNT(*) FROM movie WHERE hidden = 0 GROUP BY year",
	} {
		if err := countInto(ctx, tx, wanted, kind, query); err != nil {
			return err
		}
	}
	stored, err := readFacets(ctx, tx)
	if err != nil {
		return err
	}
	grows := make(map[facet]int)
	for _, f := range facetDifferences(stored, wanted) {
		grows[f] = wanted[f] - stored[f]
	}
	return db.writeFacets(ctx, tx, grows)
}

func countInto(ctx context.Context, tx *sql.Tx, wanted map[facet]int, kind, query string) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	for rows.Next() {
		f := facet{kind: kind}
		var n, year int
		if kind == yearFacet {
			err = rows.Scan(&year, &n)
			f.value = yearValue(year)
		} else {
			err = rows.Scan(&f.value, &n)
		}
		if err != nil {
			return err
		}
		wanted[f] = n
	}
	return rows.Err()
}
