package catalogue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestDamagedCopyRejectsNothing: Apply does not blame the data for rows that contradict each
// other, as in a copy made while the database was in use.
func TestDamagedCopyRejectsNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		apply(t, db, cataloguetest.Update(1, "A", 2000, []string{"A"}, nil))
		if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "UPDATE catalogue SET revision = 0"); err != nil {
			t.Fatal(err)
		}
		_, err := db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{cataloguetest.Update(2, "B", 2000, []string{"A"}, nil)}})
		var refused *movie.RefusedError
		if err == nil || errors.As(err, &refused) {
			t.Errorf("applied to damaged tables: %v", err)
		}
	})
}

// TestDamagedRow: a damaged row refuses the updates of its movie alone, and rejects none.
func TestDamagedRow(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		for i, damage := range []string{"stamps = 'x'", "fields = '{'"} {
			apply(t, db, cataloguetest.Update(1, "A", 2000+i, []string{"A"}, nil))
			if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "UPDATE movie SET "+damage); err != nil {
				t.Fatal(err)
			}
			_, err := db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{cataloguetest.Update(2, "A", 2000+i, []string{"B"}, nil)}})
			var refused *movie.RefusedError
			if !errors.As(err, &refused) || !refused.Setting {
				t.Errorf("%s: applied to a damaged row: %v", damage, err)
			}
		}
		apply(t, db, cataloguetest.Update(3, "B", 2000, []string{"B"}, nil))
	})
}

// TestChangedByHand: a newer update without news writes a row anew that somebody has changed.
func TestChangedByHand(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db, raw := cataloguetest.Open(t, o), databasetest.Raw(t, o)
		for i, damage := range []string{"hidden = 1", `fields = '"title": "B", "year": 1999, "cast": [], "genres": []'`} {
			year := 2000 + i
			apply(t, db, cataloguetest.Update(1, "A", year, nil, nil))
			shown := func() [][]string {
				return databasetest.Query(t, raw, fmt.Sprint("SELECT hidden, fields FROM movie WHERE year = ", year), 2)
			}
			want := shown()
			databasetest.Exec(t, raw, fmt.Sprintf("UPDATE movie SET %s WHERE year = %d", damage, year))
			apply(t, db, cataloguetest.Update(2, "A", year, nil, nil))
			if diff := cmp.Diff(want, shown()); diff != "" {
				t.Errorf("%s: -want +got %s", damage, diff)
			}
		}
	})
}

// TestTriggerRefuses: Apply rejects data that a trigger refuses.
func TestTriggerRefuses(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		trigger := "CREATE TRIGGER refuse BEFORE INSERT ON movie FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not here'"
		if o.File != "" {
			trigger = "CREATE TRIGGER refuse BEFORE INSERT ON movie BEGIN SELECT RAISE(ABORT, 'not here'); END"
		}
		if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), trigger); err != nil {
			t.Skipf("no triggers here: %v", err) // TiDB has no triggers
		}
		_, err := db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{cataloguetest.Update(2, "B", 2000, []string{"A"}, nil)}})
		var refused *movie.RefusedError
		if !errors.As(err, &refused) || refused.Setting {
			t.Errorf("a trigger's refusal is %v", err)
		}
	})
}
