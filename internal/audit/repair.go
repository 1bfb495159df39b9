package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

// Repair repairs the differences that Verify found in link tables and in the number of
// movies, and returns how many it repaired. Workers may run meanwhile: it repairs each
// link under the lock of its movie's row. It does not touch the movies' rows and the
// change log, which nothing else implies.
func (a *Auditor) Repair(ctx context.Context, differences []Difference) (repaired int, err error) {
	for _, d := range differences {
		fix := a.fixOf(d)
		if fix == nil {
			continue
		}
		err := a.db.Transact(ctx, func(tx *sql.Tx, _ int) error { return fix(ctx, tx) })
		if errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return repaired, fmt.Errorf("repair %s: %w", d, err)
		}
		repaired++
	}
	return repaired, nil
}

// fixOf returns the function that repairs a difference, nil if it cannot be repaired.
func (a *Auditor) fixOf(d Difference) func(context.Context, *sql.Tx) error {
	if d.Table == "catalogue" && d.Row == "movies" {
		added := false
		return func(ctx context.Context, tx *sql.Tx) error {
			if added {
				return errors.New("it may be done: the answer to a commit was lost; verify again")
			}
			// Writers only add to the number, so what it lacked it still lacks.
			_, err := tx.ExecContext(ctx, "UPDATE catalogue SET movies = movies + ? WHERE id = 1", d.drift)
			added = err == nil
			return err
		}
	}
	for _, t := range catalogue.LinkTables() {
		if t.Name == d.Table {
			return func(ctx context.Context, tx *sql.Tx) error { return a.repairLink(ctx, tx, t, d) }
		}
	}
	return nil
}

// errDamaged: the movie's row does not tell which links it should have.
var errDamaged = errors.New("the movie's row is damaged")

// repairLink reads the movie's row again under its lock, because a worker may have changed
// it since Verify.
func (a *Auditor) repairLink(ctx context.Context, tx *sql.Tx, t catalogue.LinkTable, d Difference) error {
	var hidden bool
	var fields []byte
	err := tx.QueryRowContext(ctx, "SELECT hidden, fields FROM movie WHERE id = ?"+a.db.ForUpdate(), d.MovieID).Scan(&hidden, &fields)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var m movie.Movie
	if err == nil && !hidden {
		if m, err = movie.ParseFields(fields); err != nil {
			return errDamaged
		}
	}
	all := t.LinksOf(d.MovieID, m)
	i := slices.IndexFunc(all, func(l catalogue.Link) bool { return l.Name == d.link })
	if i < 0 {
		return a.db.DeletePairs(ctx, tx, t.Name, "name", "movie_id", []any{d.link, d.MovieID})
	}
	return database.Insert(ctx, tx, t.Insertion(a.db), catalogue.LinkArguments(all[i:i+1]))
}
