package database

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"jpmovies/internal/movie"
)

// What was committed is looked for on the last days of the ingest log, for so
// many keys in one statement, and among so many rejections of an object. What is
// beyond counts as not known.
const (
	committedDays       = 31
	committedKeys       = 128
	committedRejections = 1 << 20
)

// Committed are the positions of one generation of an object that are known to be
// committed. The zero Committed knows of none.
type Committed struct {
	runs     []run   // sorted, with gaps between them
	rejected []int64 // those of the runs that were rejected, sorted
}

// run is first to last position.
type run struct{ first, last int64 }

// Applied tells whether the update at a position is known to be applied.
func (c Committed) Applied(position int64) bool {
	after, _ := slices.BinarySearchFunc(c.runs, position, func(r run, p int64) int { return cmp.Compare(r.first, p+1) })
	return after > 0 && position <= c.runs[after-1].last && !c.Rejected(position)
}

// Rejected tells whether the update at a position is known to be rejected, and
// the record of it to be there.
func (c Committed) Rejected(position int64) bool {
	_, found := slices.BinarySearch(c.rejected, position)
	return found
}

// Updates is how many updates are known to be applied.
func (c Committed) Updates() int64 {
	n := -int64(len(c.rejected))
	for _, r := range c.runs {
		n += r.last - r.first + 1
	}
	return n
}

// Committed tells what is known to be committed of each of some generations, no
// two of one key and time. What the ingest log does not tell for certain, or not
// any more, is not among it.
func (db *DB) Committed(ctx context.Context, objects []movie.Object) ([]Committed, error) {
	var all []Committed
	err := db.transact(ctx, func(tx *sql.Tx, _ int) error {
		all = make([]Committed, len(objects))
		return db.readCommitted(ctx, tx, objects, all)
	})
	if err != nil {
		return nil, fmt.Errorf("read what was committed: %w", err)
	}
	return all, nil
}

func (db *DB) readCommitted(ctx context.Context, tx *sql.Tx, objects []movie.Object, all []Committed) error {
	days, err := loggedDays(ctx, tx, committedDays)
	if err != nil || len(days) == 0 {
		return err
	}
	for len(objects) > 0 {
		n := min(len(objects), committedKeys)
		logged, err := db.readParts(ctx, tx, days, objects[:n])
		if err != nil {
			return err
		}
		for i, parts := range logged {
			if all[i], err = db.weigh(ctx, tx, objects[i], parts); err != nil {
				return err
			}
		}
		objects, all = objects[n:], all[n:]
	}
	return nil
}

// loggedDays are the days of the ingest log, the last ones, the latest first.
func loggedDays(ctx context.Context, q querier, most int) ([]any, error) {
	var first, last sql.NullInt64
	err := q.QueryRowContext(ctx, "SELECT (SELECT MIN(applied_day) FROM ingest), (SELECT MAX(applied_day) FROM ingest)").Scan(&first, &last)
	if err != nil || !first.Valid {
		return nil, err
	}
	var days []any
	for day := last.Int64; day >= first.Int64 && len(days) < most; day-- {
		days = append(days, day)
	}
	return days, nil
}

// readParts reads the entries of each of the objects.
func (db *DB) readParts(ctx context.Context, tx *sql.Tx, days []any, objects []movie.Object) ([][]movie.Ingest, error) {
	at := make(map[source]int, len(objects))
	args := slices.Clone(days)
	for i, o := range objects {
		at[source{o.Key, o.Time}] = i
		args = append(args, o.Key)
	}
	//nolint:gosec // made of constants
	query := "SELECT object_key, object_time, part, outcome FROM ingest" + db.dialect.force("PRIMARY") +
		" WHERE applied_day IN " + tuples(1, len(days)) + " AND object_key IN " + tuples(1, len(objects))
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	logged, others := make([][]movie.Ingest, len(objects)), make(map[int]bool)
	for rows.Next() {
		var from source
		var part, outcome string
		if err := rows.Scan(&from.key, &from.time, &part, &outcome); err != nil {
			return nil, err
		}
		entry, err := parseIngest(part, outcome)
		if err != nil {
			return nil, err
		}
		i, asked := at[from]
		switch {
		case !asked:
		case entry.ObjectETag != objects[i].ETag:
			others[i] = true
		default:
			entry.Movies = nil // there may be many entries
			logged[i] = append(logged[i], entry)
		}
	}
	// Of equal stamps, the later commit wins: what another content of the same time has
	// overwritten is to be applied again.
	for i := range others {
		logged[i] = nil
	}
	return logged, rows.Err()
}

// weigh says what the entries of an object prove. An entry names the first and
// the last position of what its transaction committed. All between was in it only
// when there was as much as fits between, and which of it was rejected is known
// only when as many rejections are still there.
func (db *DB) weigh(ctx context.Context, tx *sql.Tx, o movie.Object, entries []movie.Ingest) (Committed, error) {
	entries = slices.DeleteFunc(entries, func(e movie.Ingest) bool {
		return e.First < 1 || e.Last-e.First+1 != int64(e.Updates+e.Rejections)
	})
	var rejected []int64
	if slices.ContainsFunc(entries, func(e movie.Ingest) bool { return e.Rejections > 0 }) {
		var err error
		if rejected, err = db.readRejected(ctx, tx, o); err != nil {
			return Committed{}, err
		}
	}
	var c Committed
	slices.SortFunc(entries, func(a, b movie.Ingest) int { return cmp.Compare(a.First, b.First) })
	for _, e := range entries {
		from, _ := slices.BinarySearch(rejected, e.First)
		to, _ := slices.BinarySearch(rejected, e.Last+1)
		if to-from != e.Rejections {
			continue
		}
		c.add(run{e.First, e.Last}, rejected[from:to])
	}
	return c, nil
}

// add takes a run that does not begin before the others.
func (c *Committed) add(next run, rejected []int64) {
	for _, position := range rejected {
		if n := len(c.rejected); n == 0 || position > c.rejected[n-1] {
			c.rejected = append(c.rejected, position)
		}
	}
	if n := len(c.runs); n > 0 && next.first <= c.runs[n-1].last+1 {
		c.runs[n-1].last = max(c.runs[n-1].last, next.last)
		return
	}
	c.runs = append(c.runs, next)
}

// readRejected reads which updates of an object were rejected, by the database
// or before.
func (db *DB) readRejected(ctx context.Context, tx *sql.Tx, o movie.Object) ([]int64, error) {
	query := "SELECT position FROM rejection" + db.dialect.force("generation") +
		" WHERE object_key = ? AND object_etag = ? ORDER BY position LIMIT ?"
	return queryIDs(ctx, tx, query, []any{o.Key, o.ETag, committedRejections})
}
