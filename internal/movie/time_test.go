package movie

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTime orders, stores and clamps times from before the year 1 to after 9999.
func TestTime(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.OneOf(rapid.Int64Range(-1<<40, 1<<40), rapid.Int64Range(-2, 2)).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		inside := func(at time.Time) bool { return at.UTC().Year() >= 1 && at.UTC().Year() <= 9999 }
		if inside(a) != At(a).Time().Equal(a) || !inside(At(a).Time()) {
			t.Fatalf("%s became %s", a, At(a))
		}
		if inside(a) && inside(b) && At(a).Compare(At(b)) != a.Compare(b) {
			t.Fatalf("%s and %s compare as %d", a, b, At(a).Compare(At(b)))
		}
		if got := At(a).Compare(At(b)); (got < 0) != (At(a).String() < At(b).String()) {
			t.Fatalf("%s and %s sort otherwise as texts", At(a), At(b))
		}
		if got, err := ParseTime(At(a).String()); err != nil || got != At(a) {
			t.Fatalf("%s was read as %s, %v", At(a), got, err)
		}
	})
}

// TestNoStamp: the zero stamp is older than any stamp of an update.
func TestNoStamp(t *testing.T) {
	for _, at := range someTimes {
		s := Stamp{Time: at, Position: 1}
		if s.IsZero() || s.Compare(Stamp{}) != 1 || (Stamp{}).Compare(s) != -1 || (Stamp{}).Compare(Stamp{}) != 0 {
			t.Errorf("a stamp of %s does not come after none", at)
		}
		u := Update{Identity: Identity{"A", 1}, Stamp: s}
		if r := Merge(u.Record(), u.Record()); !r.Visible() {
			t.Errorf("an update of %s that comes twice is hidden", at)
		}
	}
}
