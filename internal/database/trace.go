package database

import (
	"context"
	"database/sql"
	"fmt"

	"jpmovies/internal/movie"
)

// A trace has at most this many entries of the ingest log and rejections, and
// looks for them on at most this many days.
const (
	maxIngests    = 25
	maxRejections = 100
	maxDays       = 1000
)

// Trace tells what is known about the objects of a key: the newest entries of the
// ingest log, what has become of their movies, and rejections.
func (db *DB) Trace(ctx context.Context, key string) (movie.Trace, error) {
	t := movie.Trace{Key: key, Applied: []movie.Ingest{}, Rejections: []movie.StoredRejection{}}
	if err := db.readIngests(ctx, &t); err != nil {
		return t, fmt.Errorf("read ingest log: %w", err)
	}
	if err := db.supersede(ctx, &t); err != nil {
		return t, fmt.Errorf("read movies: %w", err)
	}
	rejections, err := db.queryRejections(ctx, selectRejections+db.dialect.force("generation")+" WHERE object_key = ? LIMIT ?", key, maxRejections)
	if err != nil {
		return t, err
	}
	t.Rejections = append(t.Rejections, rejections...)
	t.Conclude()
	return t, nil
}

// readIngests looks the key up on each day that is kept.
func (db *DB) readIngests(ctx context.Context, t *movie.Trace) error {
	days, err := loggedDays(ctx, db.read, maxDays)
	if err != nil || len(days) == 0 {
		return err
	}
	args := append([]any{t.Key}, days...)
	//nolint:gosec // made of constants
	query := "SELECT object_time, part, outcome FROM ingest" + db.dialect.force("PRIMARY") +
		" WHERE object_key = ? AND applied_day IN " + tuples(1, len(days)) + " ORDER BY applied_day DESC, object_time DESC, part DESC LIMIT ?"
	rows, err := db.read.QueryContext(ctx, query, append(args, maxIngests)...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	for rows.Next() {
		var modified, part, outcome string
		if err := rows.Scan(&modified, &part, &outcome); err != nil {
			return err
		}
		i, err := parseIngest(part, outcome)
		if err != nil {
			return err
		}
		at, err := movie.ParseTime(modified)
		if err != nil {
			return err
		}
		i.ObjectTime = at.Time()
		t.Applied = append(t.Applied, i)
	}
	return rows.Err()
}

// supersede looks at the stamps of the movies that entries name.
func (db *DB) supersede(ctx context.Context, t *movie.Trace) error {
	var ids []any
	for _, i := range t.Applied {
		for _, m := range i.Movies {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	//nolint:gosec // made of constants
	rows, err := db.read.QueryContext(ctx, "SELECT id, stamps FROM movie WHERE id IN "+tuples(1, len(ids)), ids...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	records := make(map[int64]movie.Record)
	for rows.Next() {
		var id int64
		var stamps []byte
		var r movie.Record
		if err := rows.Scan(&id, &stamps); err != nil {
			return err
		}
		if err := r.SetStamps(stamps); err != nil {
			return fmt.Errorf("movie %d: %w", id, err)
		}
		records[id] = r
	}
	for _, i := range t.Applied {
		for n := range i.Movies {
			m := &i.Movies[n]
			m.SupersededBy = records[m.ID].SupersededBy(t.Key, movie.At(i.ObjectTime))
		}
	}
	return rows.Err()
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
