package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestLargeRows: each read of large movies is bounded in bytes, and skips no movie.
func TestLargeRows(t *testing.T) {
	const movies, cast = 12, 1200
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		for i := range movies {
			u := movie.Update{Identity: movie.Identity{Title: fmt.Sprint("Large ", i), Year: 2000}, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(i + 1)}}}
			for n := range cast {
				u.Cast = append(u.Cast, fmt.Sprintf("%04d %s", n, strings.Repeat("x", 500)))
			}
			if _, err := db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{u}}); err != nil {
				t.Fatal(err)
			}
		}
		rows, after, err := db.Movies(t.Context(), movie.Filter{}, 0, 101)
		if err != nil || len(rows) != 2 || after != rows[1].ID { // of 600 KB each
			t.Errorf("a page of %d movies, the next one from %d on, %v, want 2", len(rows), after, err)
		}
		for since := int64(0); since < movies; {
			changes, err := db.Changes(t.Context(), since, 1000)
			if err != nil || len(changes) != 2 || changes[0].Revision != since+1 {
				t.Fatalf("%d changes after %d, %v, want 2", len(changes), since, err)
			}
			since += 2
		}
		next := rows[0].ID
		err = db.Export(t.Context(), movie.Filter{}, func(int64) error { return nil }, func(some []movie.Row) error {
			if len(some) > 3 {
				t.Errorf("%d movies at a time", len(some))
			}
			for _, r := range some {
				if r.ID != next {
					t.Errorf("movie %d, want %d", r.ID, next)
				}
				next--
			}
			return nil
		})
		if err != nil || next != rows[0].ID-movies {
			t.Errorf("%d movies exported, %v", rows[0].ID-next, err)
		}
	})
}

// TestExportConnections: stalled exports take no connections from other readers. An export above
// the limit waits.
func TestExportConnections(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		cataloguetest.Open(t, o) // migrates
		o.Exports = 2
		limited, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = limited.Close() }()
		db := catalogue.New(limited)
		stalled, release := make(chan error, 2), make(chan struct{})
		began := make(chan struct{})
		for range 2 {
			go func() {
				stalled <- db.Export(t.Context(), movie.Filter{}, func(int64) error { began <- struct{}{}; <-release; return nil }, func([]movie.Row) error { return nil })
			}()
			<-began
		}
		waiting, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		never := func(int64) error { t.Error("a third export runs"); return nil }
		if err := db.Export(waiting, movie.Filter{}, never, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third export: %v", err)
		}
		if _, _, err := db.Movies(t.Context(), movie.Filter{}, 0, 10); err != nil {
			t.Error(err)
		}
		close(release)
		for range 2 {
			if err := <-stalled; err != nil {
				t.Error(err)
			}
		}
	})
}
