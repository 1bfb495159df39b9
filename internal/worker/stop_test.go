package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
)

// TestStopFinishesObjectsInFlight: after the signal the worker takes nothing new, and commits
// and deletes the objects in flight. It does not report how many wait, which it has not counted.
func TestStopFinishesObjectsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		for i := range 500 {
			store.Put(fmt.Sprintf("%03d", i), film(fmt.Sprint(i), "x"))
		}
		ctx, stop := context.WithCancel(t.Context())
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				time.Sleep(time.Second) // slow store
				if op.Key == "100" {
					stop()
				}
			}
			return nil
		}
		if err := newTestWorker(store, db).Run(ctx); err != nil {
			t.Error(err)
		}
		taken := 500 - len(store.Keys())
		if taken < 90 || taken > 130 || taken != len(db.shows()) {
			t.Errorf("%d objects gone, %d movies", taken, len(db.shows()))
		}
		if last := db.lastReport(); !last.Uncounted || last.LastCommit.IsZero() {
			t.Errorf("with %d objects left, it reported %+v", len(store.Keys()), last)
		}
	})
}

func TestStopTooLateCountsWhatRemains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		store.Put("key", film("F", "x"))
		ctx, stop := context.WithCancel(t.Context())
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				stop()
				time.Sleep(time.Minute)
			}
			return nil
		}
		start := time.Now()
		err := newTestWorker(store, db).Run(ctx)
		if !errors.Is(err, ErrStoppedLate) || !strings.Contains(err.Error(), "1 object") {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(start); took > time.Minute+time.Second {
			t.Errorf("took %s", took)
		}
		if !slices.Equal(store.Keys(), []string{"key"}) {
			t.Errorf("left: %q", store.Keys())
		}
	})
}

// TestStopTakesNoLargeObjectThatWaits: large objects that wait for a slot are not read after
// the signal.
func TestStopTakesNoLargeObjectThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		large := append(film("F", "x"), make([]byte, largeObject)...)
		for i := range 40 {
			store.Put(fmt.Sprintf("%02d", i), large)
		}
		ctx, stop := context.WithCancel(t.Context())
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				time.Sleep(time.Second) // slow store
				stop()
			}
			return nil
		}
		w := newTestWorker(store, db, func(o *Options) { o.Concurrency = 40 })
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := store.Counts().Gets; n > largeAtOnce {
			t.Errorf("%d objects were taken, %d of them after the signal", n, n-largeAtOnce)
		}
	})
}

// TestStopDuringALargeObject: after the signal a large object is finished. If that takes
// longer than the shutdown timeout, it stays and is counted, and the next worker applies all
// of it.
func TestStopDuringALargeObject(t *testing.T) {
	const parts = 20
	for name, commit := range map[string]time.Duration{"in time": time.Millisecond, "late": time.Minute / 5} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, db := &buckettest.Memory{}, newFakeCatalogue()
				var content []byte
				for i := range parts * partItems {
					content = append(content, film(fmt.Sprint(i), "x")...)
				}
				store.Put("large", content)
				ctx, stop := context.WithCancel(t.Context())
				err := newTestWorker(store, db, func(o *Options) { o.Batch, o.Catalogue = partItems, slowCatalogue{db, stop, commit} }).Run(ctx)
				if name == "late" {
					if n := len(db.shows()); !errors.Is(err, ErrStoppedLate) || !strings.Contains(err.Error(), "1 object") || n == parts*partItems || !slices.Equal(store.Keys(), []string{"large"}) {
						t.Errorf("run: %v; %d movies; left: %q", err, n, store.Keys())
					}
					err = newTestWorker(store, db).Once(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
				if n := len(db.shows()); n != parts*partItems {
					t.Errorf("%d movies, want %d", n, parts*partItems)
				}
				checkEmpty(t, store)
			})
		})
	}
}

// slowCatalogue takes time for each commit, and stops the worker.
type slowCatalogue struct {
	*fakeCatalogue
	stop   func()
	commit time.Duration
}

func (c slowCatalogue) Apply(ctx context.Context, b movie.Batch) (int, error) {
	c.stop()
	time.Sleep(c.commit)
	return c.fakeCatalogue.Apply(ctx, b)
}
