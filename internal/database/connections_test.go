package database_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// TestConnections: more requests than connections wait for one and do not fail.
func TestConnections(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		if o.File != "" {
			t.Skip("a file has no server")
		}
		const most = 3
		o.Connections = most
		db, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		raw := databasetest.Raw(t, o)
		busy := func() (n int) {
			err := raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ? AND info LIKE 'SELECT SLEEP(0.1%'", o.Name).Scan(&n)
			if err != nil {
				t.Error(err)
			}
			return n
		}
		peak := busy()
		for began := time.Now(); peak < 1 && time.Since(began) < time.Minute; {
			var requests sync.WaitGroup
			for range 20 {
				requests.Go(func() {
					err := database.ForEach(t.Context(), db.Reader(), func(*sql.Rows) error { return nil }, "SELECT SLEEP(0.1)")
					if err != nil {
						t.Error(err)
					}
				})
			}
			ended := make(chan struct{})
			go func() { requests.Wait(); close(ended) }()
			for running := true; running; {
				peak = max(peak, busy())
				select {
				case <-ended:
					running = false
				case <-time.After(10 * time.Millisecond):
				}
			}
		}
		if peak < 1 || peak > most {
			t.Errorf("%d connections were busy at once, want at most %d", peak, most)
		}
	})
}
