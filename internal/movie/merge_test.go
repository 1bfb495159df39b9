package movie

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// someTimes are the limits of clocks and integers, and their neighbours.
var someTimes = []Time{
	minTime, At(time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)), At(time.Unix(0, math.MinInt64)), {Sec: -1}, {Sec: -1, Nsec: 1},
	{}, {Nsec: 1}, {Sec: 1}, At(time.Unix(0, math.MaxInt64)), At(time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)), maxTime,
}

// drawStamp draws from few values, so that parts of stamps are often equal.
func drawStamp(t *rapid.T) Stamp {
	return Stamp{
		Time:     rapid.SampledFrom(someTimes).Draw(t, "time"),
		Key:      rapid.SampledFrom([]string{"", "a", "b", "a/b"}).Draw(t, "key"),
		Position: rapid.Int64Range(1, 4).Draw(t, "position"),
	}
}

// drawUpdate draws an update of one of few movies, without a stamp.
func drawUpdate(t *rapid.T) Update {
	list := rapid.SampledFrom([][]string{nil, nil, {}, {"A"}, {"B", "A"}, {"C"}})
	return Update{
		Identity: Identity{
			Title: rapid.SampledFrom([]string{"X", "Y"}).Draw(t, "title"),
			Year:  rapid.IntRange(1, 2).Draw(t, "year"),
		},
		Cast:    list.Draw(t, "cast"),
		Genres:  list.Draw(t, "genres"),
		Deleted: rapid.IntRange(0, 3).Draw(t, "deleted") == 0,
	}
}

// drawUpdates draws updates whose stamps all differ.
func drawUpdates(t *rapid.T) []Update {
	stamps := rapid.SliceOfNDistinct(rapid.Custom(drawStamp), 1, 12, rapid.ID[Stamp]).Draw(t, "stamps")
	updates := make([]Update, len(stamps))
	for i, s := range stamps {
		updates[i] = rapid.Custom(drawUpdate).Draw(t, "update")
		updates[i].Stamp = s
	}
	return updates
}

// replay is an independent statement of the law: the updates of a movie, sorted by stamp,
// happen one after the other, and a tombstone removes everything before it.
func replay(updates []Update) map[Identity]Record {
	sorted := slices.Clone(updates)
	slices.SortStableFunc(sorted, func(a, b Update) int {
		switch {
		case a.Stamp.Time != b.Stamp.Time:
			return a.Stamp.Time.Time().Compare(b.Stamp.Time.Time())
		case a.Stamp.Key != b.Stamp.Key:
			return cmp.Compare(a.Stamp.Key, b.Stamp.Key)
		}
		return cmp.Compare(a.Stamp.Position, b.Stamp.Position)
	})
	catalogue := map[Identity]Record{}
	for _, u := range sorted {
		r := catalogue[u.Identity]
		r.Identity = u.Identity
		if u.Deleted {
			catalogue[u.Identity] = Record{Identity: u.Identity, Deleted: u.Stamp}
			continue
		}
		r.Updated = u.Stamp
		if u.Cast != nil {
			r.Cast = Names{u.Cast, u.Stamp}
		}
		if u.Genres != nil {
			r.Genres = Names{u.Genres, u.Stamp}
		}
		catalogue[u.Identity] = r
	}
	return catalogue
}

func index(records []Record) map[Identity]Record {
	catalogue := map[Identity]Record{}
	for _, r := range records {
		catalogue[r.Identity] = r
	}
	return catalogue
}

func mustEqual(t interface {
	Helper()
	Fatalf(string, ...any)
}, want, got any) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("want -, got +: %s", diff)
	}
}

// drawRecord merges a part of the updates of one movie.
func drawRecord(t *rapid.T, updates []Update, label string) Record {
	n := rapid.IntRange(1, len(updates)).Draw(t, label)
	part := rapid.Permutation(updates).Draw(t, label)[:n]
	return Collect(part)[0]
}

// TestMergeLaws checks the laws that allow updates in any order, repeated and in groups: Merge
// is commutative, associative and idempotent.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		updates := drawUpdates(t)
		for i := range updates {
			updates[i].Identity = Identity{"X", 1}
		}
		a, b, c := drawRecord(t, updates, "a"), drawRecord(t, updates, "b"), drawRecord(t, updates, "c")
		mustEqual(t, Merge(a, b), Merge(b, a))
		mustEqual(t, Merge(Merge(a, b), c), Merge(a, Merge(b, c)))
		mustEqual(t, a, Merge(a, a))
		mustEqual(t, Merge(a, b), Merge(Merge(a, b), b))
		if !a.SameStamps(Merge(a, a)) || !a.ShowsSame(Merge(a, a)) {
			t.Fatalf("%v differs from itself", a)
		}
	})
}

// TestCatalogue applies updates in any order, repeated and split into batches, and expects the
// same result as replay.
func TestCatalogue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		updates := drawUpdates(t)
		want := replay(updates)
		repeats := rapid.SliceOfN(rapid.SampledFrom(updates), 0, 8).Draw(t, "repeats")
		delivered := rapid.Permutation(append(slices.Clone(updates), repeats...)).Draw(t, "delivered")
		mustEqual(t, want, index(Collect(delivered)))

		catalogue := map[Identity]Record{}
		for batch := range slices.Chunk(delivered, rapid.IntRange(1, 7).Draw(t, "batch")) {
			for _, r := range Collect(batch) {
				if stored, known := catalogue[r.Identity]; known {
					r = Merge(stored, r)
				}
				catalogue[r.Identity] = r
			}
		}
		mustEqual(t, want, catalogue)
		for id, r := range catalogue {
			checkRecord(t, id, r)
		}
	})
}

func checkRecord(t *rapid.T, id Identity, r Record) {
	for _, s := range []Stamp{r.Updated, r.Cast.Stamp, r.Genres.Stamp} {
		if !s.IsZero() && s.Compare(r.Deleted) < 0 {
			t.Fatalf("%v keeps a part older than its tombstone: %v", id, r)
		}
		if s.Compare(r.Updated) > 0 {
			t.Fatalf("%v has a part newer than its newest update: %v", id, r)
		}
	}
	if r.Movie().Identity != id {
		t.Fatalf("%v shows %v", id, r.Movie())
	}
}

// TestCollect expects Collect to merge in the order of arrival, also with equal stamps.
func TestCollect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		updates := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Update {
			u := drawUpdate(t)
			u.Stamp = drawStamp(t)
			return u
		}), 0, 12).Draw(t, "updates")
		var want []Record
		for _, u := range updates {
			at := slices.IndexFunc(want, func(r Record) bool { return r.Identity == u.Identity })
			if at < 0 {
				want = append(want, u.Record())
				continue
			}
			want[at] = Merge(want[at], u.Record())
		}
		mustEqual(t, append([]Record{}, want...), Collect(updates))
	})
}

// TestTies: of different updates with equal stamps, the later one wins.
func TestTies(t *testing.T) {
	s := Stamp{Time: Time{Sec: 5}, Key: "k", Position: 1}
	update := func(cast, genres []string) Update { return Update{Cast: cast, Genres: genres, Stamp: s} }
	tombstone := Update{Deleted: true, Stamp: s}
	both := update([]string{"A"}, []string{"G"})
	for name, test := range map[string]struct {
		updates []Update
		visible bool
		want    Record
	}{
		"fields": {[]Update{both, update([]string{"B"}, []string{})}, true,
			Record{Updated: s, Cast: Names{[]string{"B"}, s}, Genres: Names{[]string{}, s}}},
		"partial": {[]Update{both, update([]string{"B"}, nil)}, true,
			Record{Updated: s, Cast: Names{[]string{"B"}, s}, Genres: Names{[]string{"G"}, s}}},
		"tombstone, update": {[]Update{tombstone, both}, true,
			Record{Updated: s, Deleted: s, Cast: Names{[]string{"A"}, s}, Genres: Names{[]string{"G"}, s}}},
		"update, tombstone": {[]Update{both, tombstone}, false, Record{Deleted: s}},
		"update, tombstone, update": {[]Update{both, tombstone, update(nil, []string{"H"})}, true,
			Record{Updated: s, Deleted: s, Genres: Names{[]string{"H"}, s}}},
	} {
		got := Collect(test.updates)[0]
		mustEqual(t, test.want, got)
		if got.Visible() != test.visible {
			t.Errorf("%s: visible %v", name, got.Visible())
		}
		mustEqual(t, got, Merge(got, test.updates[len(test.updates)-1].Record()))
	}
}
