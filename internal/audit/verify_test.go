package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestVerify: a catalogue written by Apply has no differences. Verify finds exactly each kind of
// damage, and Repair corrects the data that follows from the rows.
func TestVerify(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := open(t, o)
		var batch movie.Batch
		for i := range 1200 {
			batch.Updates = append(batch.Updates, movie.Update{
				Identity: movie.Identity{Title: fmt.Sprintf("Das Boot %d", i), Year: 1900 + i%100},
				Cast:     []string{fmt.Sprint("A", i%7), "Ö'x\\"}, Genres: []string{fmt.Sprint("G", i%3), "G9"},
				Deleted: i%10 == 0, Stamp: movie.Stamp{Position: 1},
			})
		}
		if _, err := db.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if found := verify(t, db); len(found) > 0 {
			t.Fatalf("an undamaged catalogue differs: %q", found)
		}
		raw := databasetest.Raw(t, o)
		for _, damage := range []struct {
			statement string
			want      string // prefix of the first difference
			count     int
			repaired  bool
		}{
			{"DELETE FROM movie_cast WHERE movie_id = 2 AND name <> 'A1'", `movie_cast "Ö'x\\" of movie 2: found nothing, expected a row`, 1, true},
			{"DELETE FROM movie_genre WHERE movie_id = 5 AND name <> 'G9'", `movie_genre "G1" of movie 5: found nothing, expected a row`, 1, true},
			{"INSERT INTO movie_cast (name, movie_id) VALUES ('Nobody', 3)", `movie_cast "Nobody" of movie 3: found a row, expected nothing`, 1, true},
			{"INSERT INTO movie_cast (name, movie_id) VALUES ('A0', 1)", `movie_cast "A0" of movie 1: found a row, expected nothing`, 1, true}, // a tombstone
			{"INSERT INTO movie_genre (name, movie_id) VALUES ('G0', 999999)", `movie_genre "G0" of movie 999999: found a row, expected nothing`, 1, true},
			// One row is missing and one is surplus: the count is right.
			{"UPDATE movie_cast SET name = 'Other' WHERE movie_id = 4 AND name = 'A3'", `movie_cast "A3" of movie 4: found nothing, expected a row`, 2, true},
			{"UPDATE catalogue SET movies = 7", `catalogue movies: found 7, expected 1080`, 1, true},
			{"DELETE FROM change_log WHERE revision = 500", `change_log revisions 1 to 1080: found 1079 rows, expected 1080`, 1, false},
			{"UPDATE catalogue SET revision = 2000", `catalogue revision: found 2000, expected 1080, the last of change_log`, 2, false},
			{"UPDATE movie SET year = 1800 WHERE id = 2", `movie "Das Boot 1" (1800) of movie 2: found fields`, 3, false},
			{"UPDATE movie SET hidden = 0 WHERE id = 1", `movie "Das Boot 0" (1900) of movie 1: found hidden false, expected true`, 5, false},
			{"UPDATE movie SET stamps = '' WHERE id = 1", `movie "Das Boot 0" (1900) of movie 1: found stamps , expected`, 5, false},
			{"UPDATE movie SET fields = 'x' WHERE id = 3", `movie "Das Boot 0" (1900) of movie 1: found stamps , expected`, 6, false},
		} {
			if _, err := raw.ExecContext(t.Context(), damage.statement); err != nil {
				t.Fatalf("%s: %v", damage.statement, err)
			}
			found := verify(t, db)
			if len(found) != damage.count || !strings.HasPrefix(found[0].String(), damage.want) {
				t.Errorf("%s: found %q, want %d, first %s", damage.statement, found, damage.count, damage.want)
			}
			if !damage.repaired {
				continue
			}
			repaired, err := db.Repair(t.Context(), found)
			if err != nil || repaired != damage.count {
				t.Errorf("%s: repaired %d, %v", damage.statement, repaired, err)
			}
			if left := verify(t, db); len(left) > 0 {
				t.Errorf("%s: after repair: %q", damage.statement, left)
			}
		}
		// What damaged rows make unknown does not hold up the rest.
		databasetest.Exec(t, raw, "INSERT INTO movie_cast (name, movie_id) VALUES ('Nobody', 3)")
		databasetest.Exec(t, raw, "INSERT INTO movie_cast (name, movie_id) VALUES ('Zed', 5)")
		found := verify(t, db)
		repaired, err := db.Repair(t.Context(), found)
		if err != nil || repaired != 2 { // the link of movie 5, and the number of movies
			t.Errorf("repaired %d, %v", repaired, err)
		}
		if left := verify(t, db); len(left) != len(found)-2 {
			t.Errorf("before: %q, after: %q", found, left)
		}
	})
}

func verify(t *testing.T, db fixture) []audit.Difference {
	t.Helper()
	var found []audit.Difference
	last := int64(0)
	_, _, err := db.Verify(context.WithoutCancel(t.Context()), func(d audit.Difference) { found = append(found, d) }, func(n int64) { last = n })
	if err != nil {
		t.Fatal(err)
	}
	if last != 1200 {
		t.Errorf("%d movies were checked, want 1,200", last)
	}
	return found
}

// fixture is a catalogue with its auditor.
type fixture struct {
	*catalogue.Catalogue
	*audit.Auditor
}

// open opens and migrates a catalogue that is closed when the test ends.
func open(t *testing.T, o database.Options) fixture {
	t.Helper()
	db := databasetest.Open(t, o)
	return fixture{catalogue.New(db), audit.New(db)}
}

// TestRestoreRecipe runs the recipe of docs/restore.md for a restored catalogue.
func TestRestoreRecipe(t *testing.T) {
	handbook, err := os.ReadFile("../../docs/restore.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, found := strings.Cut(string(handbook), "```sql\nDELETE FROM change_log;")
	recipe, _, _ = strings.Cut(recipe, "```")
	if !found {
		t.Fatal("there is no recipe in the handbook")
	}
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := open(t, o)
		commit(t, db, movie.Batch{Updates: []movie.Update{cataloguetest.Update(1, "one", 2000, nil, []string{"A", "B"})}})
		raw := databasetest.Raw(t, o)
		databasetest.Exec(t, raw, "DELETE FROM change_log")
		databasetest.Exec(t, raw, strings.TrimSpace(recipe))
		check := func() {
			t.Helper()
			_, _, err := db.Verify(t.Context(), func(d audit.Difference) { t.Error(d) }, func(int64) {})
			if err != nil {
				t.Error(err)
			}
		}
		check()
		commit(t, db, movie.Batch{Updates: []movie.Update{cataloguetest.Update(2, "two", 2000, nil, []string{"A", "B"})}})
		check()
		if revision, err := db.Revision(t.Context()); err != nil || revision != 1_000_002 {
			t.Errorf("revision %d, %v", revision, err)
		}
		if _, err := db.Changes(t.Context(), 1, 10); !errors.Is(err, movie.ErrPruned) {
			t.Errorf("a reader from before gets %v", err)
		}
	})
}
