package audit_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// object returns a batch of one object with the updates, and sets their stamps.
func object(time int64, key string, updates ...movie.Update) movie.Batch {
	at := movie.Time{Nsec: int32(time)}
	for i := range updates {
		updates[i].Stamp = movie.Stamp{Time: at, Key: key, Position: int64(i + 1)}
	}
	return movie.Batch{Objects: []movie.Object{{Key: key, ETag: fmt.Sprintf(`"%d"`, time), Time: at, Blank: len(updates) == 0}}, Updates: updates}
}

func commit(t *testing.T, db fixture, b movie.Batch) {
	t.Helper()
	if _, err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func trace(t *testing.T, db fixture, key string) report.Trace {
	t.Helper()
	found, err := db.Trace(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// outcome summarises a trace.
func outcome(t report.Trace) string {
	lines := []string{strings.Join(t.States, " ")}
	for _, i := range t.Applied {
		line := fmt.Sprintf("%s %d-%d: %d updates, %d changes, %d rejections;", i.ObjectETag, i.First, i.Last, i.Updates, i.Changes, i.Rejections)
		for _, m := range i.Movies {
			line += fmt.Sprintf(" %d@%d", m.ID, m.Revision)
			if m.SupersededBy != nil {
				line += fmt.Sprintf(" by %s of %d", m.SupersededBy.Key, m.SupersededBy.Time.UnixNano())
			}
		}
		lines = append(lines, line)
	}
	for _, r := range t.Rejections {
		lines = append(lines, fmt.Sprintf("%d: %s", r.Position, r.Reason))
	}
	return strings.Join(lines, "\n")
}

func checkOutcome(t *testing.T, db fixture, key, want string) {
	t.Helper()
	if diff := cmp.Diff(want, outcome(trace(t, db, key))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", key, diff)
	}
}

func TestTrace(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Now()
		o.Now = func() time.Time { now = now.Add(time.Millisecond); return now }
		db := open(t, o)
		checkOutcome(t, db, "a", "unknown") // an empty log
		a := object(10, "a", cataloguetest.Update(0, "One", 2000, nil, nil), cataloguetest.Update(0, "Two", 2000, nil, nil), cataloguetest.Update(0, "One", 2000, []string{"x"}, nil))
		mixed := object(20, "mixed", cataloguetest.Update(0, "Two", 2000, nil, nil))
		bad := movie.Rejection{Key: "mixed", ObjectETag: `"20"`, Position: 2, Reason: "year: missing"}
		none := movie.Rejection{Key: "none", ObjectETag: `"21"`, Position: 1, Reason: "title: missing"}
		commit(t, db, movie.Batch{
			Objects:    []movie.Object{a.Objects[0], mixed.Objects[0], {Key: "none", ETag: `"21"`, Time: movie.Time{Sec: 21}}, {Key: "unread", Time: movie.Time{Sec: 22}}, {Key: "blank", ETag: `"23"`, Time: movie.Time{Sec: 23}, Blank: true}},
			Updates:    slices.Concat(a.Updates, mixed.Updates),
			Rejections: []movie.Rejection{bad, none},
		})
		first := `applied
"10" 1-3: 3 updates, 2 changes, 0 rejections; 1@1 2@2 by mixed of 20`
		checkOutcome(t, db, "a", first)
		checkOutcome(t, db, "mixed", "applied rejected\n\"20\" 1-2: 1 updates, 1 changes, 1 rejections; 2@2\n2: year: missing")
		checkOutcome(t, db, "none", "rejected\n\"21\" 1-1: 0 updates, 0 changes, 1 rejections;\n1: title: missing")
		checkOutcome(t, db, "unread", "unknown")
		checkOutcome(t, db, "blank", "applied\n\"23\" 0-0: 0 updates, 0 changes, 0 rejections;")
		checkOutcome(t, db, "A", "unknown")

		// A second delivery of the same object is not logged; an overwritten object is.
		commit(t, db, a)
		checkOutcome(t, db, "a", first)
		commit(t, db, object(30, "a", movie.Update{Identity: movie.Identity{Title: "One", Year: 2000}, Deleted: true}))
		commit(t, db, object(5, "late", cataloguetest.Update(0, "Two", 2000, []string{"y"}, nil), cataloguetest.Update(0, "One", 2000, nil, nil)))
		checkOutcome(t, db, "a", `applied
"30" 1-1: 1 updates, 1 changes, 0 rejections; 1@3
"10" 1-3: 3 updates, 2 changes, 0 rejections; 1@1 by a of 30 2@2 by mixed of 20`)
		checkOutcome(t, db, "late", "applied\n\"5\" 1-2: 2 updates, 1 changes, 0 rejections; 2@4 1@0 by a of 30")
		commit(t, db, object(4, "later", cataloguetest.Update(0, "Two", 2000, []string{"z"}, nil)))
		checkOutcome(t, db, "later", "superseded\n\"4\" 1-1: 1 updates, 0 changes, 0 rejections; 2@0 by mixed of 20")
	})
}

// TestTraceOfNewestRejections: of many generations with rejections, the newest come first.
func TestTraceOfNewestRejections(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := open(t, o)
		const generations = 130
		for n := range generations {
			etag := fmt.Sprintf("%q", strconv.Itoa(n*7919%1000))
			commit(t, db, movie.Batch{
				Objects:    []movie.Object{{Key: "hourly", ETag: etag, Time: movie.Time{Sec: int64(n)}}},
				Rejections: []movie.Rejection{{Key: "hourly", ObjectETag: etag, Position: 1, Reason: strconv.Itoa(n)}},
			})
		}
		got := trace(t, db, "hourly")
		seen := make(map[string]bool)
		for i, r := range got.Rejections {
			if seen[r.Reason] = true; i < len(got.Applied) && r.Reason != strconv.Itoa(generations-1-i) {
				t.Errorf("rejection %d is of generation %s", i, r.Reason)
			}
		}
		if len(got.Rejections) != 100 || len(seen) != 100 || len(got.Applied) < 20 {
			t.Errorf("%d rejections of %d generations, %d entries", len(got.Rejections), len(seen), len(got.Applied))
		}
	})
}

// TestIngestLogIsBounded: the log has one entry for each part of a large object, with its first
// movies, and no second entry on the same day. It accepts a key of the maximum length.
func TestIngestLogIsBounded(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		db := open(t, o)
		var updates []movie.Update
		for i := range 60 {
			updates = append(updates, cataloguetest.Update(0, fmt.Sprint("Movie ", i), 2000, nil, nil))
		}
		all := object(1, "large", updates...)
		deliver := func() {
			for some := range slices.Chunk(all.Updates, 30) {
				commit(t, db, movie.Batch{Objects: all.Objects, Updates: some})
			}
		}
		for range 3 {
			deliver()
		}
		now = now.Add(24 * time.Hour)
		deliver()
		var got []string
		for _, i := range trace(t, db, "large").Applied {
			got = append(got, fmt.Sprintf("%s %d-%d %d %d %d", i.Time.Format(time.DateOnly), i.First, i.Last, i.Updates, i.Changes, len(i.Movies)))
		}
		if diff := cmp.Diff([]string{"2026-03-02 31-60 30 0 20", "2026-03-02 1-30 30 0 20", "2026-03-01 31-60 30 30 20", "2026-03-01 1-30 30 30 20"}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		longest := object(2, strings.Repeat("\u00e9", 512), cataloguetest.Update(0, "Longest", 2000, nil, nil))
		commit(t, db, longest)
		checkOutcome(t, db, longest.Objects[0].Key, "applied\n\"2\" 1-1: 1 updates, 1 changes, 0 rejections; 61@61")

		// Prune keeps log entries as long as changes.
		if _, err := db.Prune(t.Context(), now, now.Add(-24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n := len(trace(t, db, "large").Applied); n != 4 {
			t.Errorf("%d entries after nothing was old enough, want 4", n)
		}
		kept := now
		now = now.Add(2 * time.Hour) // the lease has expired
		if _, err := db.Prune(t.Context(), kept, kept); err != nil {
			t.Fatal(err)
		}
		if n := len(trace(t, db, "large").Applied); n != 2 {
			t.Errorf("%d entries after the first day was pruned, want 2", n)
		}
	})
}

// TestIngestLogIsInTheTransaction: the log has no entry for a batch that was not committed.
func TestIngestLogIsInTheTransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := open(t, o)
		raw := databasetest.Raw(t, o)
		databasetest.Exec(t, raw, "ALTER TABLE change_log RENAME TO away") // Apply writes this table before the log
		if _, err := db.Apply(t.Context(), object(1, "a", cataloguetest.Update(0, "One", 2000, nil, nil))); err == nil {
			t.Fatal("applied without a table")
		}
		databasetest.Exec(t, raw, "ALTER TABLE away RENAME TO change_log")
		checkOutcome(t, db, "a", "unknown")
		if _, err := raw.ExecContext(t.Context(), "DROP TABLE ingest"); err != nil {
			t.Fatal(err)
		}
		commitFails := object(2, "b", movie.Update{Identity: movie.Identity{Title: "Two", Year: 2000}, Deleted: true})
		if _, err := db.Apply(t.Context(), commitFails); err == nil {
			t.Fatal("applied without a log")
		}
		if n := databasetest.Query(t, raw, "SELECT COUNT(*) FROM movie", 1)[0][0]; n != "0" {
			t.Errorf("%s movies are there though their objects could not be logged", n)
		}
	})
}
