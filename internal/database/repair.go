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
		if d.Row == allPairs || d.Row == allBeginnings {
			if err := db.fillLinks(ctx); err != nil {
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
		for _, l := range t.linksOf(d.MovieID, m) {
			if l.name == d.link {
				return db.insert(ctx, tx, db.overwrite(t), t.rows([]link{l}))
			}
		}
		return db.remove(ctx, tx, t.name, []any{d.link, d.MovieID})
	})
}

// fillLinks writes what the release before did not know of, all pairs and
// beginnings, while programs that know of them may write, and others do the same.
// Programs that do not know of them must have ended: their changes between now and
// the last statement would go unnoticed.
func (db *DB) fillLinks(ctx context.Context) error {
	for last := int64(0); ; {
		some, err := queryIdentities(ctx, db.write, "SELECT id, title, year FROM movie WHERE id > ? AND hidden = 0 ORDER BY id LIMIT ?", last, verifyRows)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			break
		}
		last = slices.Max(slices.Collect(maps.Values(some)))
		group := slices.SortedFunc(maps.Keys(some), movie.Identity.Compare)
		if err := db.transact(ctx, func(tx *sql.Tx, _ int) error { return db.rewriteLinks(ctx, tx, group) }); err != nil {
			return err
		}
	}
	if err := db.dropPairs(ctx); err != nil {
		return err
	}
	return db.transact(ctx, func(tx *sql.Tx, _ int) error {
		_, err := tx.ExecContext(ctx, "UPDATE catalogue SET paired = revision WHERE id = 1")
		return err
	})
}

// rewriteLinks writes the searched links of some movies under their locks, which
// are taken in the order in which writers take them.
func (db *DB) rewriteLinks(ctx context.Context, tx *sql.Tx, group []movie.Identity) error {
	locked, err := db.lockVisible(ctx, tx, group)
	if err != nil {
		return err
	}
	for _, t := range linkTables {
		if !t.searched {
			continue
		}
		var right []link
		for id, m := range locked {
			right = append(right, t.linksOf(id, m)...)
		}
		if err := db.insert(ctx, tx, db.overwrite(t), t.rows(right)); err != nil {
			return err
		}
	}
	return nil
}

// lockVisible locks some movies, and returns those that are visible, by id.
func (db *DB) lockVisible(ctx context.Context, tx *sql.Tx, group []movie.Identity) (map[int64]movie.Movie, error) {
	locked := make(map[movie.Identity]row, len(group))
	if err := db.lockGroup(ctx, tx, group, locked); err != nil {
		return nil, err
	}
	shown := make(map[int64]movie.Movie, len(locked))
	for _, r := range locked {
		if r.record.Visible() {
			shown[r.id] = r.record.Movie()
		}
	}
	return shown, nil
}

// dropPairs deletes the pairs that no movie has.
func (db *DB) dropPairs(ctx context.Context) error {
	for last := (linkKey{}); ; {
		some, err := linksAfter(ctx, db.write, linkPairs, last)
		if err != nil || len(some) == 0 {
			return err
		}
		last = some[len(some)-1]
		ids := make([]any, len(some))
		for i, l := range some {
			ids[i] = l.id
		}
		movies, err := queryIdentities(ctx, db.write, "SELECT id, title, year FROM movie WHERE id IN "+tuples(1, len(ids)), ids...)
		if err != nil {
			return err
		}
		group := slices.SortedFunc(maps.Keys(movies), movie.Identity.Compare)
		if err := db.transact(ctx, func(tx *sql.Tx, _ int) error { return db.removePairs(ctx, tx, group, some) }); err != nil {
			return err
		}
	}
}

// removePairs deletes those of some pairs that the movies do not have.
func (db *DB) removePairs(ctx context.Context, tx *sql.Tx, group []movie.Identity, some []linkKey) error {
	var locked map[int64]movie.Movie
	if len(group) > 0 {
		var err error
		if locked, err = db.lockVisible(ctx, tx, group); err != nil {
			return err
		}
	}
	surplus := slices.DeleteFunc(slices.Clone(some), func(l linkKey) bool { return slices.Contains(linkPairs.of(locked[l.id]), l.name) })
	return db.remove(ctx, tx, pairTable, keys(surplus))
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
