package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

func compareLinks(a, b link) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
}

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
		if i := slices.IndexFunc(linkTables, func(t linkTable) bool { return t.name == d.Table }); i >= 0 {
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

func (db *DB) insertInto(t linkTable) insertion {
	switch t.name {
	case "movie_cast":
		return db.insertCast()
	case "movie_genre":
		return db.insertGenre()
	}
	return db.insertWord()
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
