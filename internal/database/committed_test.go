package database_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// large is an object of 60 updates, of which 13, 14 and 40 are rejected.
func large() movie.Batch {
	var updates []movie.Update
	for i := range 60 {
		updates = append(updates, update(0, fmt.Sprint("Movie ", i), 2000, nil, nil))
	}
	b := object(1, "large", updates...)
	b.Updates = slices.DeleteFunc(b.Updates, func(u movie.Update) bool {
		p := u.Stamp.Position
		return p == 13 || p == 14 || p == 40
	})
	for _, p := range []int64{13, 14, 40} {
		b.Rejections = append(b.Rejections, movie.Rejection{Key: "large", ObjectETag: `"1"`, Position: p, Reason: "year: missing"})
	}
	return b
}

// between is the part of a batch from one position to another.
func between(b movie.Batch, first, last int64) movie.Batch {
	part := movie.Batch{Objects: b.Objects}
	for _, u := range b.Updates {
		if u.Stamp.Position >= first && u.Stamp.Position <= last {
			part.Updates = append(part.Updates, u)
		}
	}
	for _, r := range b.Rejections {
		if r.Position >= first && r.Position <= last {
			part.Rejections = append(part.Rejections, r)
		}
	}
	return part
}

// checkCommitted compares what is known of positions 0 to 70: + is applied, - is
// rejected.
func checkCommitted(t *testing.T, db *database.DB, o movie.Object, want string) {
	t.Helper()
	all, err := db.Committed(t.Context(), []movie.Object{{Key: "other"}, o})
	if err != nil {
		t.Fatal(err)
	}
	if got := known(all[1]); got != want {
		t.Errorf("known is %q, want %q", got, want)
	}
	if got := known(all[0]); got != "" {
		t.Errorf("of another object %q is known", got)
	}
}

// known is what is known of positions 0 to 70, in short.
func known(c database.Committed) string {
	text, begin, updates := "", int64(0), int64(0)
	for p := int64(0); p <= 70; p++ {
		if c.Rejected(p) {
			text += fmt.Sprintf("-%d ", p)
		}
		if c.Applied(p) {
			updates++
		}
		if c.Applied(p) && !c.Applied(p-1) {
			begin = p
		}
		if c.Applied(p) && !c.Applied(p+1) {
			text += fmt.Sprintf("+%d..%d ", begin, p)
		}
	}
	if updates != c.Updates() {
		text += fmt.Sprintf("but counts %d", c.Updates())
	}
	return text
}

// TestCommitted: only what an entry of the ingest log proves counts as committed.
func TestCommitted(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		o.Now = func() time.Time { return now }
		db := databasetest.Open(t, o)
		all := large()
		generation := all.Objects[0]
		checkCommitted(t, db, generation, "")

		commit(t, db, between(all, 1, 12))
		checkCommitted(t, db, generation, "+1..12 ")
		overwritten := generation
		overwritten.ETag = `"2"`
		checkCommitted(t, db, overwritten, "")
		overwritten = generation
		overwritten.Time++
		checkCommitted(t, db, overwritten, "")

		// Two are committed side by side, so there can be holes.
		commit(t, db, between(all, 21, 30))
		checkCommitted(t, db, generation, "+1..12 +21..30 ")
		commit(t, db, between(all, 11, 16))
		checkCommitted(t, db, generation, "+1..12 -13 -14 +15..16 +21..30 ")

		// The rejections of a batch that was refused are committed without what is
		// between them.
		commit(t, db, movie.Batch{Objects: all.Objects, Rejections: all.Rejections})
		checkCommitted(t, db, generation, "+1..12 -13 -14 +15..16 +21..30 ")
		commit(t, db, movie.Batch{Objects: all.Objects, Updates: slices.Concat(between(all, 17, 18).Updates, between(all, 20, 20).Updates)})
		checkCommitted(t, db, generation, "+1..12 -13 -14 +15..16 +21..30 ")
		commit(t, db, between(all, 31, 60))
		checkCommitted(t, db, generation, "+1..12 -13 -14 +15..16 +21..39 -40 +41..60 ")

		// Without its record, it is not known any more what was rejected.
		if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "DELETE FROM rejection WHERE position = 14"); err != nil {
			t.Fatal(err)
		}
		checkCommitted(t, db, generation, "+1..12 +21..39 -40 +41..60 ")

		// What is old is not looked for, and what was pruned is not known.
		now = now.Add(30 * 24 * time.Hour)
		commit(t, db, object(2, "later", update(0, "Later", 2000, nil, nil)))
		checkCommitted(t, db, generation, "+1..12 +21..39 -40 +41..60 ")
		now = now.Add(24 * time.Hour)
		commit(t, db, between(all, 1, 2))
		checkCommitted(t, db, generation, "+1..2 ")
		if err := db.Prune(t.Context(), now, now.Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		checkCommitted(t, db, generation, "")
	})
}

// TestCommittedOfManyObjects: each gets its own answer.
func TestCommittedOfManyObjects(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := databasetest.Open(t, o)
		var all movie.Batch
		for i := range 300 {
			b := object(int64(i+1), fmt.Sprint("key ", i), update(0, fmt.Sprint("Movie ", i%7), 2000, nil, nil))
			all.Objects = append(all.Objects, b.Objects...)
			if i%3 > 0 {
				all.Updates = append(all.Updates, b.Updates...)
			}
		}
		commit(t, db, all)
		rand.Shuffle(300, func(i, j int) { all.Objects[i], all.Objects[j] = all.Objects[j], all.Objects[i] })
		committed, err := db.Committed(t.Context(), all.Objects)
		if err != nil || len(committed) != 300 {
			t.Fatalf("%d answers, %v", len(committed), err)
		}
		for i, c := range committed {
			if c.Applied(1) != ((all.Objects[i].Time-1)%3 > 0) || c.Applied(2) || c.Rejected(1) {
				t.Errorf("%s: %+v", all.Objects[i].Key, c)
			}
		}
	})
}
