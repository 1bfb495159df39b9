package api_test

import (
	"context"
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
)

// TestLag: Age tells how far the replica is behind its primary. While the primary cannot be asked,
// Age grows from the last known lag.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stock(t)
		var behind atomic.Int64 // below 0: the primary is unreachable, and that is the age of the newest change
		behind.Store(-int64(time.Hour))
		a, _ := startWith(t, api.Options{
			Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20,
			Missing: func(context.Context) (since time.Time, err error) {
				switch d := time.Duration(behind.Load()); {
				case d == math.MinInt64:
					return time.Now().AddDate(10, 0, 0), errSecrets
				case d < -1:
					return time.Now().Add(d), errSecrets
				case d < 0: // the replica keeps no change
					return since, errSecrets
				case d > 0:
					since = time.Now().Add(-d)
				}
				return since, nil
			},
		})
		check := func(want ...string) {
			t.Helper()
			for _, path := range append(keptPaths, "/changes", "/export", "/status", "/movies?limit=7") {
				got := record(t, a, http.MethodGet, path)
				if age := got.header.Get("Age"); got.status != http.StatusOK || age != want[0] && age != want[len(want)-1] {
					t.Errorf("%s: %d, Age %q, want %q", path, got.status, age, want)
				}
			}
		}
		// The primary does not answer from the start: the replica is as old as its newest change.
		time.Sleep(time.Second - time.Millisecond) // between the looks, which are twice a second
		check("3600")
		behind.Store(-int64(time.Minute)) // the replica goes on
		time.Sleep(time.Second)
		check("60")
		behind.Store(-1) // it keeps no change now
		time.Sleep(10 * time.Second)
		check("70", "71")
		behind.Store(0)
		time.Sleep(time.Minute)
		check("")
		behind.Store(math.MinInt64) // the newest change is from the future
		time.Sleep(10 * time.Second)
		check("10", "11")
		behind.Store(int64(time.Hour))
		time.Sleep(time.Second)
		check("3600")
		behind.Store(-1)
		time.Sleep(100 * time.Second)
		check("3700", "3701")
		behind.Store(0)
		time.Sleep(time.Second)
		check("")
		behind.Store(-1)
		time.Sleep(10 * time.Second)
		check("10", "11")
		// A client that has seen a later revision elsewhere must retry, unless the replica is up
		// to date.
		status := func(want int) {
			t.Helper()
			if got := record(t, a, http.MethodGet, "/changes?since=1000"); got.status != want {
				t.Errorf("%d, want %d: %s", got.status, want, got.body)
			}
		}
		status(http.StatusServiceUnavailable)
		behind.Store(int64(time.Millisecond))
		status(http.StatusServiceUnavailable)
		behind.Store(0)
		status(http.StatusGone)
	})
}
