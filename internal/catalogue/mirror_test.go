package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

var _ index.Source = (*catalogue.Catalogue)(nil)

// replica follows a catalogue by Snapshot and Since.
type replica struct {
	mark   movie.Mark
	movies map[int64]string
	most   int // the largest group of movies given at once
	loads  int
}

func (r *replica) load(ctx context.Context, db *catalogue.Catalogue) error {
	var last int64
	r.loads++
	r.movies = make(map[int64]string)
	return db.Snapshot(ctx, func(at movie.Mark, _ int64) error { r.mark = at; return nil }, func(some []movie.State) error {
		for _, s := range some {
			if s.ID <= last {
				return fmt.Errorf("movie %d comes after %d", s.ID, last)
			}
			last = s.ID
		}
		return r.take(some)
	})
}

func (r *replica) follow(ctx context.Context, db *catalogue.Catalogue) error {
	mark, err := db.Since(ctx, r.mark, r.take)
	if errors.Is(err, movie.ErrPruned) || errors.Is(err, movie.ErrReplaced) {
		return r.load(ctx, db)
	}
	r.mark = mark
	return err
}

func (r *replica) take(some []movie.State) error {
	r.most = max(r.most, len(some))
	for _, s := range some {
		r.movies[s.ID] = fmt.Sprint(s.Title, "|", s.Year, "|", s.Hidden, "|", string(s.Fields))
	}
	return nil
}

// visible counts the movies that are not deleted.
func (r *replica) visible() (n int64) {
	for _, text := range r.movies {
		if strings.Contains(text, "|false|") {
			n++
		}
	}
	return n
}

// check compares the replica with the tables.
func (r *replica) check(t *testing.T, db *catalogue.Catalogue, o database.Options) {
	t.Helper()
	want := make(map[int64]string)
	for _, row := range databasetest.Query(t, databasetest.Raw(t, o), "SELECT id, title, year, hidden, fields FROM movie", 5) {
		fields := row[4]
		if row[3] == "1" {
			fields = ""
		}
		want[int64(atoi(t, row[0]))] = fmt.Sprint(row[1], "|", row[2], "|", row[3] == "1", "|", fields)
	}
	if diff := cmp.Diff(want, r.movies); diff != "" {
		t.Errorf("the replica differs (-tables +replica):\n%s", diff)
	}
	if revision, err := db.Revision(t.Context()); err != nil || revision != r.mark.Revision {
		t.Errorf("the replica is at %+v, the catalogue at revision %d, %v", r.mark, revision, err)
	}
}

// TestMirrorBesideWriters: a replica follows while writers change movies. At each step it shows as
// many movies as the catalogue has at that revision, and in the end all of them.
func TestMirrorBesideWriters(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		all := shelf(rand.New(rand.NewPCG(5, 6)), 2500)
		if _, err := db.Apply(t.Context(), movie.Batch{Updates: all}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var group errgroup.Group
		for i := range 2 {
			own := rand.New(rand.NewPCG(uint64(i), 7))
			writer := cataloguetest.Open(t, o)
			group.Go(func() error {
				for turn := int64(1); ctx.Err() == nil; turn++ {
					var changed []movie.Update
					for range 20 {
						u := all[own.IntN(len(all))]
						u.Cast, u.Deleted, u.Stamp.Time = pickNames(own, "actor", 40), own.IntN(5) == 0, movie.Time{Sec: 10_000*turn + int64(i)}
						changed = append(changed, u)
					}
					if _, err := writer.Apply(context.WithoutCancel(ctx), movie.Batch{Updates: changed}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var r replica
		if err := r.load(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		compared := 0
		for moved := 0; moved < 20; {
			before := r.mark
			if err := r.follow(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			if r.mark != before {
				moved++
			}
			if checkCount(t, db, &r) {
				compared++
			}
		}
		if compared == 0 {
			t.Error("the number of movies was never compared beside the writers")
		}
		stop()
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := r.follow(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		r.check(t, db, o)
		if !checkCount(t, db, &r) {
			t.Error("the number of movies was not compared after the writers had ended")
		}
		if r.loads != 1 || r.most > 1000 {
			t.Errorf("%d loads, %d movies at a time", r.loads, r.most)
		}
	})
}

// checkCount compares the number of visible movies with the catalogue's, unless a writer has
// committed since. It reports whether it has compared them.
func checkCount(t *testing.T, db *catalogue.Catalogue, r *replica) bool {
	t.Helper()
	status, err := db.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Revision != r.mark.Revision {
		return false
	}
	if status.Movies != r.visible() {
		t.Errorf("at revision %d the replica shows %d movies, the catalogue has %d", status.Revision, r.visible(), status.Movies)
	}
	return true
}

// TestMirrorOfManyChanges: Since returns all changes when there are more than one statement reads,
// or exactly as many.
func TestMirrorOfManyChanges(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		var r replica
		if err := r.load(t.Context(), db); err != nil || r.mark != (movie.Mark{}) {
			t.Fatalf("%+v, %v", r.mark, err)
		}
		for _, n := range []int{10_000, 12_345} {
			var batch movie.Batch
			for i := range n {
				batch.Updates = append(batch.Updates, cataloguetest.Update(1, fmt.Sprint(n, " ", i), 2000, nil, nil))
			}
			if _, err := db.Apply(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if err := r.follow(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			r.check(t, db, o)
		}
		if r.loads != 1 {
			t.Errorf("%d loads", r.loads)
		}
		loaded := replica{}
		if err := loaded.load(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		loaded.check(t, db, o)
		if loaded.mark != r.mark {
			t.Errorf("marks %+v, %+v", loaded.mark, r.mark)
		}
	})
}

// TestMirrorShowsLife: while Since reads many changes, it calls each without movies.
func TestMirrorShowsLife(t *testing.T) {
	o := databasetest.SQLite(t)
	db := cataloguetest.Open(t, o)
	apply(t, db, cataloguetest.Update(1, "A", 2000, nil, nil))
	raw := databasetest.Raw(t, o)
	databasetest.Exec(t, raw, "INSERT INTO change_log (revision, movie_id, changed_at, changed)"+
		" WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20001) SELECT i, 1, 0, 8 FROM n")
	databasetest.Exec(t, raw, "UPDATE catalogue SET revision = 20001")
	var groups []int
	mark, err := db.Since(t.Context(), movie.Mark{}, func(some []movie.State) error { groups = append(groups, len(some)); return nil })
	if err != nil || mark.Revision != 20001 || !slices.Equal(groups, []int{0, 0, 1}) {
		t.Errorf("%v, at revision %d: groups of %d movies", err, mark.Revision, groups)
	}
}

// TestMirrorPruned: Since returns ErrPruned if the change after the mark is pruned. It continues
// if only the mark's own change is.
func TestMirrorPruned(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		raw := databasetest.Raw(t, o)
		marks := []movie.Mark{{}}
		for i := range 4 {
			apply(t, db, cataloguetest.Update(1, fmt.Sprint(i), 2000, nil, nil))
			mark, err := db.Since(t.Context(), marks[i], func([]movie.State) error { return nil })
			if err != nil || mark.Revision != int64(i+1) || mark.Movie == 0 || mark.ChangedAt == 0 {
				t.Fatalf("%+v, %v", mark, err)
			}
			marks = append(marks, mark)
		}
		databasetest.Exec(t, raw, "DELETE FROM change_log WHERE revision <= 2")
		for i, want := range []error{movie.ErrPruned, movie.ErrPruned, nil, nil, nil} {
			if _, err := db.Since(t.Context(), marks[i], func([]movie.State) error { return nil }); !errors.Is(err, want) {
				t.Errorf("from revision %d: %v, want %v", i, err, want)
			}
		}
		databasetest.Exec(t, raw, "DELETE FROM change_log")
		for i, want := range []error{movie.ErrPruned, movie.ErrPruned, movie.ErrPruned, movie.ErrPruned, nil} {
			if _, err := db.Since(t.Context(), marks[i], func([]movie.State) error { return nil }); !errors.Is(err, want) {
				t.Errorf("from revision %d of an empty log: %v, want %v", i, err, want)
			}
		}
		err := db.Snapshot(t.Context(), func(at movie.Mark, movies int64) error {
			if at != (movie.Mark{Revision: 4}) || movies != 4 {
				t.Errorf("a snapshot without a log is at %+v, %d movies", at, movies)
			}
			return nil
		}, func([]movie.State) error { return nil })
		if err != nil {
			t.Error(err)
		}
	})
}

// TestMirrorReplaced: after a restore to an older copy, Since returns ErrReplaced for a mark from
// before it: while the revision is lower than the mark's, equal to it, and higher.
func TestMirrorReplaced(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.UnixMilli(1_000_000)
		o.Now = func() time.Time { now = now.Add(time.Second); return now }
		db := cataloguetest.Open(t, o)
		raw := databasetest.Raw(t, o)
		apply(t, db, cataloguetest.Update(1, "kept", 2000, nil, nil))
		apply(t, db, cataloguetest.Update(1, "lost", 2000, nil, nil))
		var r replica
		if err := r.load(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		mark := r.mark
		// This restores a copy from before the second change.
		databasetest.Exec(t, raw, "DELETE FROM movie WHERE id = 2")
		databasetest.Exec(t, raw, "DELETE FROM change_log WHERE revision = 2")
		databasetest.Exec(t, raw, "UPDATE catalogue SET revision = 1, movies = 1")
		for _, title := range []string{"", "other", "more"} {
			if title != "" {
				apply(t, db, cataloguetest.Update(1, title, 2001, nil, nil))
			}
			_, err := db.Since(t.Context(), mark, func([]movie.State) error {
				t.Error("movies are given")
				return nil
			})
			if !errors.Is(err, movie.ErrReplaced) {
				t.Errorf("after %q: %v", title, err)
			}
			if err := r.follow(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			r.check(t, db, o)
		}
		if r.loads != 2 { // the first load and one after the restore
			t.Errorf("%d loads", r.loads)
		}
	})
}

// TestMirrorBoundsBytes: large movies come in small groups.
func TestMirrorBoundsBytes(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprintf("%0500d", i)
		}
		var updates []movie.Update
		for i := range 10 { // of half a megabyte each
			updates = append(updates, cataloguetest.Update(1, fmt.Sprint(i), 2000, names, nil))
		}
		apply(t, db, updates...)
		var r, follower replica
		if err := r.load(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		follower.movies = map[int64]string{}
		if err := follower.follow(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if r.most > 3 || follower.most > 3 {
			t.Errorf("%d and %d movies at a time", r.most, follower.most)
		}
		r.check(t, db, o)
		follower.check(t, db, o)
		failed := errors.New("no more")
		if err := db.Snapshot(t.Context(), func(movie.Mark, int64) error { return nil }, func([]movie.State) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("a snapshot goes on: %v", err)
		}
	})
}
