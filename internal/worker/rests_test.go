package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

// TestFailingObjectRests: beside a steady flow, an object that cannot be read, or not deleted, is
// tried after growing pauses, and soon once it can be. The others do not wait for it.
func TestFailingObjectRests(t *testing.T) {
	for _, kind := range []buckettest.Kind{buckettest.Get, buckettest.DeleteKey} {
		synctest.Test(t, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			var tries atomic.Int64
			var repaired atomic.Bool
			store.Fault = func(op buckettest.Op) error {
				if op.Kind == kind && op.Key == "bad" && !op.Applied && !repaired.Load() {
					tries.Add(1)
					return errors.New("access denied")
				}
				return nil
			}
			var log strings.Builder
			w := newTestWorker(store, db, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = w.Run(ctx) }()
			store.Put("bad", film("bad", "x"))
			for i := range 1800 {
				store.Put(fmt.Sprint(i), film(fmt.Sprint(i), "x"))
				time.Sleep(2 * time.Second)
				if keys := store.Keys(); len(keys) > 3 {
					t.Fatalf("%s: %d objects wait", kind, len(keys))
				}
			}
			if n := tries.Load(); n < 100 || n > 160 {
				t.Errorf("%s: %d tries in an hour", kind, n)
			}
			repaired.Store(true)
			time.Sleep(90 * time.Second)
			checkEmpty(t, store)
			stop()
			<-ended
			if n := int64(strings.Count(log.String(), "level=ERROR")); n != tries.Load() {
				t.Errorf("%s: %d errors are logged, want %d", kind, n, tries.Load())
			}
		})
	}
}

// TestRestsGrow: pauses grow, also where each failure takes a minute; failures of one pass count
// once, and those of long ago not at all.
func TestRestsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rests
		ref := bucket.Ref{Key: "a", ETag: "e"}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			for range 3 {
				r.begin(ref, time.Second, time.Minute)
			}
			if got := r.of[ref].pause; got != want*time.Second || !r.has(ref) {
				t.Errorf("pause %d is %s, want %d s", i, got, want)
			}
			time.Sleep(time.Until(r.of[ref].until) + time.Minute)
			if r.has(ref) {
				t.Errorf("pause %d does not end", i)
			}
		}
		time.Sleep(time.Hour)
		if r.begin(ref, time.Second, time.Minute); r.of[ref].pause != time.Second {
			t.Errorf("after an hour it is %s", r.of[ref].pause)
		}
	})
}
