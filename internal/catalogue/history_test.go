package catalogue_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

func TestHistory(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		db := cataloguetest.Open(t, o)
		tombstone := func(time int64) movie.Update {
			u := cataloguetest.Update(time, "T", 2000, nil, nil)
			u.Deleted = true
			return u
		}
		apply(t, db, cataloguetest.Update(1, "T", 2000, []string{"A"}, nil))
		apply(t, db, cataloguetest.Update(1, "U", 2000, []string{"A"}, nil))
		apply(t, db, cataloguetest.Update(2, "T", 2000, []string{"B"}, []string{"G"}))
		apply(t, db, cataloguetest.Update(3, "T", 2000, []string{"B"}, []string{"G"})) // no change
		now = now.Add(time.Minute)
		apply(t, db, cataloguetest.Update(4, "T", 2000, nil, []string{"G", "H"}))
		apply(t, db, tombstone(5))
		apply(t, db, cataloguetest.Update(6, "T", 2000, []string{"C"}, nil))
		apply(t, db, tombstone(7))
		late := cataloguetest.Update(1, "Late", 2000, nil, nil)
		late.Deleted = true
		apply(t, db, late)
		if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "UPDATE change_log SET changed = 0 WHERE revision = 1"); err != nil {
			t.Fatal(err) // older releases left rows like this
		}
		shown := func(id, start int64, limit int) []string {
			events, err := db.History(t.Context(), id, start, limit)
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, e := range events {
				all = append(all, fmt.Sprint(e.Revision, " ", e.Time.Format(time.TimeOnly), " ", e.Changed.Names()))
			}
			return all
		}
		want := []string{
			"7 12:01:00 [deleted]", "6 12:01:00 [restored]", "5 12:01:00 [deleted]", "4 12:01:00 [genres]",
			"3 12:00:00 [cast genres]", "1 12:00:00 []",
		}
		if diff := cmp.Diff(want, shown(1, 0, 100)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if diff := cmp.Diff(want[2:4], shown(1, 6, 2)); diff != "" {
			t.Errorf("a page, -want +got:\n%s", diff)
		}
		if diff := cmp.Diff([]string{"2 12:00:00 [created]"}, shown(2, 0, 100)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if got := shown(3, 0, 100); got != nil {
			t.Errorf("a movie that was never shown has the history %v", got)
		}
		if _, err := db.History(t.Context(), 9, 0, 100); !errors.Is(err, movie.ErrNotFound) {
			t.Errorf("a movie that never was: %v", err)
		}
	})
}
