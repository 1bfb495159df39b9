package catalogue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

func TestEngines(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		t.Log("tested on " + databasetest.Engine(t, o))
	})
}

// TestApplyEqualsMerge applies random batches with duplicates and out of order, and compares every
// table with the pure merge.
func TestApplyEqualsMerge(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		random := rand.New(rand.NewPCG(1, 2))
		updates := randomUpdates(random, 1200, 40)
		want := make(map[movie.Identity]movie.Record)
		for range 40 {
			batch := movie.Batch{}
			for range random.IntN(120) {
				u := updates[random.IntN(len(updates))]
				batch.Updates = append(batch.Updates, u)
				want[u.Identity] = merge(want, u)
			}
			if _, err := db.Apply(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		checkTables(t, databasetest.Raw(t, o), want)
		checkReplay(t, db, databasetest.Raw(t, o))
	})
}

// TestFourWriters applies overlapping batches about the same movies through four connections at
// once: no update is lost, no link is wrong, no revision is missing.
func TestFourWriters(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		updates := randomUpdates(rand.New(rand.NewPCG(3, 4)), 1000, 25)
		want := make(map[movie.Identity]movie.Record)
		for _, u := range updates {
			want[u.Identity] = merge(want, u)
		}
		cataloguetest.Open(t, o) // migrates
		var writers sync.WaitGroup
		for w := range 4 {
			db := cataloguetest.Open(t, o)
			random := rand.New(rand.NewPCG(5, uint64(w)))
			mine := slices.Clone(updates)
			random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			writers.Go(func() {
				for batch := range slices.Chunk(mine, 50) {
					applyForSure(t, db, batch)
				}
			})
		}
		writers.Wait()
		raw := databasetest.Raw(t, o)
		checkTables(t, raw, want)
		checkReplay(t, cataloguetest.Open(t, o), raw)
	})
}

// applyForSure retries a batch, as the worker does in its next pass.
func applyForSure(t *testing.T, db *catalogue.Catalogue, updates []movie.Update) {
	for range 20 {
		_, err := db.Apply(context.Background(), movie.Batch{Updates: updates})
		if err == nil {
			return
		}
		if refusal := (*movie.RefusedError)(nil); errors.As(err, &refusal) {
			t.Errorf("refused: %v", err)
			return
		}
	}
	t.Error("a batch was not applied in 20 passes")
}

func merge(records map[movie.Identity]movie.Record, u movie.Update) movie.Record {
	if r, known := records[u.Identity]; known {
		return movie.Merge(r, u.Record())
	}
	return u.Record()
}

// randomUpdates returns n updates with distinct stamps about the given number of movies.
func randomUpdates(random *rand.Rand, n, movies int) []movie.Update {
	titles := []string{"007", "1e3", "a", "A", "a ", "é", "e\u0301", "x' OR 1=1 --", "日本", "\U0001f3ac", "%", "\\", "\"q\""}
	list := func() []string {
		switch random.IntN(16) {
		case 0, 1, 2, 3:
			return nil
		case 4, 5, 6, 7:
			return []string{}
		case 8:
			return crowd(14 + random.IntN(6))
		}
		var names []string
		for range 1 + random.IntN(4) {
			name := fmt.Sprintf("name %d", random.IntN(12))
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names
	}
	var times []movie.Time
	for _, year := range []int{1, 1601, 1677, 1969, 1970, 2000, 2262, 9999} {
		for second := range 6 {
			times = append(times, movie.At(time.Date(year, 1, 1, 0, 0, second, 0, time.UTC)))
		}
	}
	updates := make([]movie.Update, n)
	for i := range updates {
		m := random.IntN(movies)
		updates[i] = movie.Update{
			Identity: movie.Identity{Title: fmt.Sprint(titles[m%len(titles)], m/len(titles)), Year: 2000 + m%3},
			Cast:     list(), Genres: list(), Deleted: random.IntN(6) == 0,
			Stamp: movie.Stamp{Time: times[random.IntN(len(times))], Key: fmt.Sprint("key", random.IntN(9)), Position: int64(i + 1)},
		}
	}
	return updates
}

// checkTables compares movie, movie_cast, movie_genre and catalogue with the records.
func checkTables(t *testing.T, raw *sql.DB, want map[movie.Identity]movie.Record) {
	t.Helper()
	var cast, genres []string
	visible := 0
	seen := make(map[movie.Identity]bool)
	for _, r := range databasetest.Query(t, raw, "SELECT id, title, year, hidden, fields, stamps FROM movie", 6) {
		identity := movie.Identity{Title: r[1], Year: atoi(t, r[2])}
		record, known := want[identity]
		if !known {
			t.Errorf("movie %v is there, but nobody wrote it", identity)
			continue
		}
		seen[identity] = true
		stored := movie.Record{Identity: identity}
		if err := stored.SetStamps([]byte(r[5])); err != nil {
			t.Error(err)
		}
		if !stored.SameStamps(record) {
			t.Errorf("movie %v: stamps are %+v, want %+v", identity, stored, record)
		}
		if hidden := r[3] == "1"; hidden == record.Visible() {
			t.Errorf("movie %v: hidden is %t", identity, hidden)
		}
		if fields := string(record.Movie().AppendFields(nil)); r[4] != fields {
			t.Errorf("movie %v: fields are\n%s, want\n%s", identity, r[4], fields)
		}
		if !record.Visible() {
			continue
		}
		visible++
		for _, name := range record.Cast.List {
			cast = append(cast, name+"|"+r[0])
		}
		for _, name := range record.Genres.List {
			genres = append(genres, name+"|"+r[0])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d movies are stored, want %d", len(seen), len(want))
	}
	checkRows(t, raw, "SELECT name, movie_id FROM movie_cast", 2, cast)
	checkRows(t, raw, "SELECT name, movie_id FROM movie_genre", 2, genres)
	checkRows(t, raw, "SELECT movies FROM catalogue", 1, []string{fmt.Sprint(visible)})
}

// checkReplay replays the change log from 0: its revisions have no gaps, and its visible movies
// are the catalogue.
func checkReplay(t *testing.T, db *catalogue.Catalogue, raw *sql.DB) {
	t.Helper()
	replayed := make(map[string]bool)
	log := databasetest.Query(t, raw, "SELECT revision, movie_id FROM change_log ORDER BY revision", 2)
	for i, r := range log {
		if atoi(t, r[0]) != i+1 {
			t.Fatalf("change %d has revision %s", i+1, r[0])
		}
		if _, err := db.Movie(t.Context(), int64(atoi(t, r[1]))); err == nil {
			replayed[r[1]] = true
		} else if !errors.Is(err, movie.ErrNotFound) {
			t.Error(err)
		}
	}
	var ids []string
	for id := range replayed {
		ids = append(ids, id)
	}
	checkRows(t, raw, "SELECT id FROM movie WHERE hidden = 0", 1, ids)
	checkRows(t, raw, "SELECT revision FROM catalogue", 1, []string{fmt.Sprint(len(log))})
}

func checkRows(t *testing.T, raw *sql.DB, statement string, columns int, want []string) {
	t.Helper()
	var got []string
	for _, r := range databasetest.Query(t, raw, statement, columns) {
		got = append(got, strings.Join(r, "|"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", statement, diff)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func apply(t *testing.T, db *catalogue.Catalogue, updates ...movie.Update) int {
	t.Helper()
	changes, err := db.Apply(t.Context(), movie.Batch{Updates: updates})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestOnlyEffectiveChangesCount(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		tombstone := cataloguetest.Update(3, "T", 2000, nil, nil)
		tombstone.Deleted = true
		steps := []struct {
			name   string
			update movie.Update
			want   int
		}{
			{"new", cataloguetest.Update(1, "T", 2000, []string{"A"}, nil), 1},
			{"the same again", cataloguetest.Update(1, "T", 2000, []string{"A"}, nil), 0},
			{"equal content, newer stamp", cataloguetest.Update(2, "T", 2000, []string{"A"}, nil), 0},
			{"older than what is known", cataloguetest.Update(1, "T", 2000, []string{"old"}, nil), 0},
			{"genres alone", cataloguetest.Update(2, "T", 2000, nil, []string{"G"}), 1},
			{"tombstone", tombstone, 1},
			{"tombstone again", tombstone, 0},
			{"update older than the tombstone", cataloguetest.Update(2, "T", 2000, []string{"late"}, nil), 0},
			{"back, with its newer fields only", cataloguetest.Update(4, "T", 2000, nil, []string{"H"}), 1},
		}
		for _, s := range steps {
			if got := apply(t, db, s.update); got != s.want {
				t.Errorf("%s: %d changes, want %d", s.name, got, s.want)
			}
		}
		got, err := db.Movie(t.Context(), 1)
		want := `"title": "T", "year": 2000, "cast": [], "genres": ["H"]`
		if err != nil || string(got.Fields) != want {
			t.Errorf("movie is %s (%v), want %s", got.Fields, err, want)
		}
		if revision, err := db.Revision(t.Context()); revision != 4 || err != nil {
			t.Errorf("revision is %d (%v), want 4", revision, err)
		}
	})
}

func TestIDsFollowTheOrderOfArrival(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		apply(t, db, cataloguetest.Update(1, "Z", 2000, nil, nil), cataloguetest.Update(2, "M", 2000, nil, nil), cataloguetest.Update(3, "A", 2000, nil, nil))
		apply(t, db, cataloguetest.Update(4, "M", 2000, nil, nil), cataloguetest.Update(5, "B", 2000, nil, nil))
		checkRows(t, databasetest.Raw(t, o), "SELECT id, title FROM movie", 2, []string{"1|Z", "2|M", "3|A", "4|B"})
	})
}

func TestRejectionsAreKeptOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		r := movie.Rejection{Key: "a b%/é", ObjectETag: `"e1"`, Position: 2, Reason: strings.Repeat("é", 2000), Bytes: []byte{0, 0xff, '\''}}
		other := r
		other.ObjectETag = `"e2"`
		for range 2 {
			if _, err := db.Apply(t.Context(), movie.Batch{Rejections: []movie.Rejection{r, r, other}}); err != nil {
				t.Fatal(err)
			}
		}
		rows := databasetest.Query(t, databasetest.Raw(t, o), "SELECT object_key, object_etag, position, bytes, reason FROM rejection ORDER BY object_etag", 5)
		if len(rows) != 2 || rows[0][0] != r.Key || rows[0][1] != r.ObjectETag || rows[0][2] != "2" || rows[0][3] != string(r.Bytes) {
			t.Errorf("rejections are %q", rows)
		}
	})
}

// TestRefusedData: Apply distinguishes data that a server refuses from a transient failure. The
// engines differ in what they refuse; SQLite accepts everything that decode accepts.
func TestRefusedData(t *testing.T) {
	for _, dsn := range databasetest.Servers(t) {
		db := cataloguetest.Open(t, databasetest.Server(t, dsn))
		_, err := db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{cataloguetest.Update(1, strings.Repeat("x", 1025), 2000, nil, nil)}})
		var refusal *movie.RefusedError
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Error(), "title") {
			t.Errorf("a title that is too long gives %v, want a refusal that names the column", err)
		}
	}
}

func TestLargeValues(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		var batch movie.Batch
		for m := range 3 {
			var cast []string
			for i := range 2000 {
				cast = append(cast, fmt.Sprintf("%0500d", i+m*2000))
			}
			u := cataloguetest.Update(1, strings.Repeat("t", 1000)+fmt.Sprint(m), 2000, cast, nil)
			u.Stamp.Key = strings.Repeat("k", 1024)
			batch.Updates = append(batch.Updates, u)
			batch.Rejections = append(batch.Rejections, movie.Rejection{Key: u.Stamp.Key, Position: int64(m), Bytes: make([]byte, 64<<10)})
		}
		if _, err := db.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		checkRows(t, databasetest.Raw(t, o), "SELECT COUNT(*) FROM movie_cast", 1, []string{"6000"})
	})
}

func TestPrune(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.UnixMilli(1_000_000)
		o.Now = func() time.Time { return now }
		db := cataloguetest.Open(t, o)
		var batch movie.Batch
		for i := range 2500 {
			batch.Updates = append(batch.Updates, cataloguetest.Update(int64(i+1), fmt.Sprint(i), 2000, nil, nil))
			batch.Rejections = append(batch.Rejections, movie.Rejection{Key: "k", Position: int64(i)})
		}
		if _, err := db.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
		apply(t, db, cataloguetest.Update(9999, "new", 2000, nil, nil))
		if done, err := db.Prune(t.Context(), now.Add(-2*time.Hour), now.Add(-2*time.Hour)); err != nil || !done {
			t.Fatal(done, err)
		}
		raw := databasetest.Raw(t, o)
		checkRows(t, raw, "SELECT COUNT(*) FROM rejection", 1, []string{"2500"})
		if done, err := db.Prune(t.Context(), now.Add(-time.Minute), now.Add(-time.Minute)); err != nil || done {
			t.Fatal(done, err)
		}
		checkRows(t, raw, "SELECT COUNT(*) FROM rejection", 1, []string{"2500"}) // the last prune was too recent
		now = now.Add(time.Hour)
		if done, err := db.Prune(t.Context(), now.Add(-time.Hour), now.Add(-time.Hour)); err != nil || !done {
			t.Fatal(done, err)
		}
		checkRows(t, raw, "SELECT COUNT(*) FROM rejection", 1, []string{"0"})
		checkRows(t, raw, "SELECT revision FROM change_log", 1, []string{"2501"})
	})
}

// TestPruneMakesNoHoles: Prune deletes only the beginning of the change log, even if workers whose
// clocks differ by an hour wrote it.
func TestPruneMakesNoHoles(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.UnixMilli(1_000_000_000)
		o.Now = func() time.Time { return now }
		db := cataloguetest.Open(t, o)
		for i := range 20 {
			now = time.UnixMilli(1_000_000_000 + int64(i*1000))
			if i%3 == 2 {
				now = now.Add(-time.Hour)
			}
			apply(t, db, cataloguetest.Update(int64(i+1), fmt.Sprint(i), 2000, nil, nil))
		}
		before := time.UnixMilli(1_000_000_000 + 10_500)
		now = before.Add(24 * time.Hour)
		if _, err := db.Prune(t.Context(), before, before); err != nil {
			t.Fatal(err)
		}
		checkRows(t, databasetest.Raw(t, o), "SELECT COUNT(*), MIN(revision), MAX(revision) FROM change_log", 3, []string{"8|13|20"})
		// A process whose clock is a year ahead does not keep others from pruning.
		now = now.AddDate(1, 0, 0)
		if _, err := db.Prune(t.Context(), before, before); err != nil {
			t.Fatal(err)
		}
		now = now.AddDate(-1, 0, 0)
		if _, err := db.Prune(t.Context(), now, now); err != nil {
			t.Fatal(err)
		}
		checkRows(t, databasetest.Raw(t, o), "SELECT COUNT(*) FROM change_log", 1, []string{"0"})
	})
}

func TestReport(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		at := time.UnixMilli
		oldest := time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)
		for _, s := range []report.Worker{
			{Shard: "0/2", LastPass: at(10), LastCommit: at(9), ObjectsWaiting: 3, OldestWaiting: &oldest},
			{Shard: "0/2", LastPass: at(20)},
			{LastPass: at(30), OldestWaiting: &oldest},
			{LastPass: at(40), LastCommit: at(35), ObjectsWaiting: 7, Uncounted: true},
		} {
			if err := db.Report(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		checkRows(t, databasetest.Raw(t, o), "SELECT shard, last_pass, last_commit, objects_waiting, COALESCE(oldest_waiting, 'none') FROM worker_status", 5,
			[]string{"0/2|20|9|0|none", "|40|35|0|-1000"})
	})
}

// TestFileReplaced: Apply does not commit to a database file that was removed or replaced, and the
// readiness check fails.
func TestFileReplaced(t *testing.T) {
	for name, replace := range map[string]func(file string) error{
		"removed": os.Remove,
		"replaced": func(file string) error {
			return errors.Join(os.Rename(file, file+".old"), os.WriteFile(file, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := databasetest.SQLite(t)
			engine := databasetest.Open(t, o)
			db := catalogue.New(engine)
			batch := func(title string) movie.Batch {
				return movie.Batch{Updates: []movie.Update{{Identity: movie.Identity{Title: title, Year: 2000}, Stamp: movie.Stamp{Position: 1}}}}
			}
			if _, err := db.Apply(t.Context(), batch("one")); err != nil {
				t.Fatal(err)
			}
			if err := replace(o.File); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Apply(t.Context(), batch("two")); err == nil || !strings.Contains(err.Error(), "restart") {
				t.Errorf("apply: %v", err)
			}
			if err := engine.CheckSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "restart") {
				t.Errorf("check: %v", err)
			}
		})
	}
}
