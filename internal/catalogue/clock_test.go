package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// TestWrongClock: a process whose clock is years ahead does not hide what others write, before
// and after, from the ingest log and the status, and does not keep the change log.
func TestWrongClock(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		c := cataloguetest.Open(t, o)
		apply := func(key string) {
			t.Helper()
			u := cataloguetest.Update(1, key, 2000, nil, nil)
			u.Stamp.Key = key
			if _, err := c.Apply(t.Context(), movie.Batch{Objects: []movie.Object{{Key: key, ETag: "e", Time: u.Stamp.Time}}, Updates: []movie.Update{u}}); err != nil {
				t.Fatal(err)
			}
		}
		reported := func(shard string, waiting int) {
			t.Helper()
			if err := c.Report(t.Context(), report.Worker{Shard: shard, LastPass: now, LastCommit: now, ObjectsWaiting: waiting}); err != nil {
				t.Fatal(err)
			}
		}
		apply("before")
		now = now.AddDate(5, 0, 0)
		apply("wrong clock")
		reported("", 7)
		now = now.AddDate(-5, 0, 0).Add(time.Minute)
		apply("after")
		reported("0/2", 500)
		for _, key := range []string{"before", "wrong clock", "after"} {
			if found, err := c.Ingests(t.Context(), key); len(found) != 1 || err != nil {
				t.Errorf("%q was applied: %v %v", key, found, err)
			}
		}
		s, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if current := report.Current(s.Workers); len(current) != 1 || current[0].ObjectsWaiting != 500 {
			t.Errorf("current workers: %+v", current)
		}
		for _, w := range s.Workers {
			if w.LastPass.After(now) || w.LastCommit.After(now) {
				t.Errorf("a time of the wrong clock: %+v", w)
			}
		}
		for day := range 60 {
			now = now.AddDate(0, 0, 1)
			apply(fmt.Sprint("day ", day))
		}
		done, err := c.Prune(t.Context(), now.AddDate(0, 0, -30), now.AddDate(0, 0, -30))
		changes, listed := c.Changes(t.Context(), 33, 1000)
		if !done || err != nil || listed != nil || len(changes) != 30 {
			t.Errorf("pruned: %v %v; %d changes after revision 33 are kept, want 30: %v", done, err, len(changes), listed)
		}
	})
}

// TestClockBehind: a process whose clock is years behind does not take all changes for those of
// a wrong clock, and deletes none.
func TestClockBehind(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		c := cataloguetest.Open(t, o)
		apply(t, c, cataloguetest.Update(1, "A", 2000, nil, nil))
		now = time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
		_, err := c.Prune(t.Context(), now.AddDate(0, 0, -30), now.AddDate(0, 0, -30))
		changes, listed := c.Changes(t.Context(), 0, 1000)
		if err != nil || listed != nil || len(changes) != 1 {
			t.Errorf("%v; %d changes, %v", err, len(changes), listed)
		}
	})
}

// TestRejectedAgain: what is delivered and rejected again is kept as long as something new.
func TestRejectedAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		c := cataloguetest.Open(t, o)
		for _, days := range []int{0, 29} {
			now = now.AddDate(0, 0, days)
			if _, err := c.Apply(t.Context(), movie.Batch{Rejections: []movie.Rejection{{Key: "key", ObjectETag: "e", Position: 1, Reason: "r"}}}); err != nil {
				t.Fatal(err)
			}
		}
		for days, want := range []int{1, 0} {
			now = now.AddDate(0, 0, 1+29*days)
			_, err := c.Prune(t.Context(), now.AddDate(0, 0, -30).Add(time.Hour), now.AddDate(0, 0, -30))
			kept, listed := c.Rejections(t.Context(), 0, 10)
			if err != nil || listed != nil || len(kept) != want {
				t.Errorf("%v %v: %d rejections, want %d", err, listed, len(kept), want)
			}
		}
	})
}

// TestManyLargeMovies: a batch whose movies hold too much is refused for the caller to divide.
func TestManyLargeMovies(t *testing.T) {
	c := cataloguetest.Open(t, databasetest.SQLite(t))
	cast := make([]string, 1900)
	for i := range cast {
		cast[i] = fmt.Sprintf("%0500d", i)
	}
	var small []movie.Update
	for i := range 6 {
		apply(t, c, cataloguetest.Update(1, fmt.Sprint(i), 2000, cast, nil))
		small = append(small, cataloguetest.Update(2, fmt.Sprint(i), 2000, nil, []string{"x"}))
	}
	_, err := c.Apply(t.Context(), movie.Batch{Updates: small})
	if refused := (*movie.RefusedError)(nil); !errors.As(err, &refused) || !refused.Setting {
		t.Errorf("6 movies of a megabyte: %v", err)
	}
	if n := apply(t, c, small[:4]...); n != 4 {
		t.Errorf("4 of them: %d changes", n)
	}
}

// TestStopWhilePruning: the end of a process does not wait for a database that is busy, to
// release the lease of the pruning.
func TestStopWhilePruning(t *testing.T) {
	o := databasetest.SQLite(t)
	c := cataloguetest.Open(t, o)
	const rejections = 600 // of which each step deletes 500
	var b movie.Batch
	for i := range int64(rejections) {
		b.Rejections = append(b.Rejections, movie.Rejection{Key: "key", Position: i})
	}
	if _, err := c.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	raw := databasetest.Raw(t, o)
	raw.SetMaxOpenConns(1)
	// Each deleted rejection returns with a new id, so the pruning goes on until it is stopped.
	databasetest.Exec(t, raw, `CREATE TRIGGER endless AFTER DELETE ON rejection BEGIN
		INSERT INTO rejection (object_key, object_etag, position, reason, bytes, truncated, rejected_at)
		VALUES (OLD.object_key, OLD.object_etag, OLD.position, OLD.reason, OLD.bytes, OLD.truncated, OLD.rejected_at); END`)
	databasetest.Exec(t, raw, "PRAGMA busy_timeout = 60000")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Prune(ctx, time.Now().Add(time.Hour), time.Now())
		ended <- err
	}()
	patience, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for newest := int64(0); newest <= rejections; time.Sleep(time.Millisecond) { // until a step is committed
		if err := raw.QueryRowContext(patience, "SELECT MAX(id) FROM rejection").Scan(&newest); err != nil {
			t.Fatal(err)
		}
	}
	// This waits for a pause between two steps.
	if _, err := raw.ExecContext(patience, "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("Prune ends without an error")
		}
	case <-time.After(15 * time.Second): // a transaction tries for 20 s to begin
		t.Error("Prune outlives its context by 15 s")
	}
	databasetest.Exec(t, raw, "ROLLBACK")
}
