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

type fakeHousekeeper func(context.Context) error

func (f fakeHousekeeper) Prune(ctx context.Context, _, _ time.Time) error { return f(ctx) }

// TestHousekeeping: the time of the last housekeeping stays where a run fails or does not get
// done, and the log says which.
func TestHousekeeping(t *testing.T) {
	for name, test := range map[string]struct {
		prune func(context.Context) error
		logs  string
		done  bool
	}{
		"works": {func(context.Context) error { return nil }, "", true},
		"fails": {func(context.Context) error { return errors.New("DELETE command denied") }, "DELETE command denied", false},
		"never ends": {func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, "old rows remain", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				w := newTestWorker(&buckettest.Memory{}, newFakeCatalogue(), func(o *Options) {
					o.Housekeeping, o.Logger = fakeHousekeeper(test.prune), slog.New(slog.NewTextHandler(&log, nil))
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
				if !strings.Contains(log.String(), test.logs) || test.done && strings.Contains(log.String(), "level=WARN") {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}
