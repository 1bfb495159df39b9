package worker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket/buckettest"
)

type fakeHousekeeper func(context.Context) (done bool, err error)

func (f fakeHousekeeper) Prune(ctx context.Context, _, _ time.Time) (bool, error) { return f(ctx) }

// TestHousekeepingByAnotherClock: a worker whose clock differs from the server's deletes nothing.
func TestHousekeepingByAnotherClock(t *testing.T) {
	for _, skew := range []time.Duration{0, -time.Hour, -31 * 24 * time.Hour, 31 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			pruned := false
			w := newTestWorker(&buckettest.Memory{}, newFakeCatalogue(), func(o *Options) {
				o.Housekeeping = fakeHousekeeper(func(context.Context) (bool, error) { pruned = true; return true, nil })
				o.ServerTime = func(context.Context) (time.Time, error) { return time.Now().Add(skew), nil }
			})
			w.housekeep(t.Context())
			if pruned != (skew.Abs() <= time.Hour) {
				t.Errorf("the clocks differ by %s, pruned: %v", skew, pruned)
			}
		})
	}
}

// TestHousekeeping: the time of the last housekeeping does not change when a run fails or does
// not finish, or when another worker does it. The log says which.
func TestHousekeeping(t *testing.T) {
	for name, test := range map[string]struct {
		prune      func(context.Context) (bool, error)
		durability error
		logs       string
		done       bool
	}{
		"works":                         {func(context.Context) (bool, error) { return true, nil }, nil, "", true},
		"works, but durability unknown": {func(context.Context) (bool, error) { return true, nil }, errors.New("unknown system variable"), "unknown system variable", true},
		"another worker does it":        {func(context.Context) (bool, error) { return false, nil }, nil, "", false},
		"fails":                         {func(context.Context) (bool, error) { return false, errors.New("DELETE command denied") }, nil, "DELETE command denied", false},
		"never ends": {func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			return false, ctx.Err()
		}, nil, "old rows remain", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				w := newTestWorker(&buckettest.Memory{}, newFakeCatalogue(), func(o *Options) {
					o.Housekeeping, o.Logger = fakeHousekeeper(test.prune), slog.New(slog.NewTextHandler(&log, nil))
					o.Durability = func(context.Context) ([]string, error) { return nil, test.durability }
				})
				start := time.Now()
				ctx, stop := context.WithTimeout(t.Context(), 7*time.Hour)
				defer stop()
				if err := w.Run(ctx); err != nil {
					t.Fatal(err)
				}
				last := time.Unix(int64(testutil.ToFloat64(w.metrics.lastHousekeeping)), 0)
				if late := time.Since(last); late < 2*time.Hour != test.done || last.Before(start) {
					t.Errorf("the last housekeeping was %s ago", late)
				}
				if !strings.Contains(log.String(), test.logs) || test.logs == "" && strings.Contains(log.String(), "level=WARN") {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}
