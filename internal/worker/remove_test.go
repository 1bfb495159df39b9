package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
)

// oneByOneStore deletes one object per request, without a proven condition.
type oneByOneStore struct{ *buckettest.Memory }

func (oneByOneStore) DeleteSize() int   { return 1 }
func (oneByOneStore) Conditional() bool { return false }

// withRunning runs test beside w.Run. stop stops the worker and returns what Run returned.
func withRunning(t *testing.T, w *Worker, test func(stop func() error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop := func() error { stopped = true; cancel(); return <-ended }
	test(stop)
	if !stopped {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestSlowDeleteHoldsUpNothing: neither the other objects nor new ones wait for it.
func TestSlowDeleteHoldsUpNothing(t *testing.T) {
	for _, kind := range []string{"single", "bulk"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory, db := &buckettest.Memory{}, newFakeCatalogue()
				var store bucket.Store = memory
				slow := buckettest.Op{Kind: buckettest.Delete}
				if kind == "single" {
					store, slow = oneByOneStore{memory}, buckettest.Op{Kind: buckettest.DeleteKey, Key: "007"}
				}
				var slowed atomic.Bool
				memory.Fault = func(op buckettest.Op) error {
					if op == slow && slowed.CompareAndSwap(false, true) {
						time.Sleep(10 * time.Minute)
					}
					return nil
				}
				for i := range 150 {
					memory.Put(fmt.Sprintf("%03d", i), film(fmt.Sprint(i), "x"))
				}
				w := newTestWorker(store, db, func(o *Options) { o.Batch = 5 })
				withRunning(t, w, func(func() error) {
					time.Sleep(5 * time.Second)
					held := memory.Keys()
					if len(held) == 0 || kind == "single" && len(held) > 1 || len(held) == 150 {
						t.Errorf("left: %q", held)
					}
					memory.Put("new", film("new", "x"))
					time.Sleep(time.Minute)
					if keys := memory.Keys(); !slices.Equal(keys, held) {
						t.Errorf("left: %q, want %q", keys, held)
					}
					if last := db.lastReport(); last.ObjectsWaiting != len(held) || last.OldestWaiting.IsZero() {
						t.Errorf("report: %+v", last)
					}
					time.Sleep(10 * time.Minute)
					checkEmpty(t, memory)
					if got := memory.Counts(); got.Gets != 151 || testutil.ToFloat64(w.metrics.removed) != 151 {
						t.Errorf("bucket operations: %+v, %v counted", got, testutil.ToFloat64(w.metrics.removed))
					}
				})
			})
		})
	}
}

// TestDeletesAreConcurrent: Concurrency single deletes are in flight, whatever batches the
// objects came from.
func TestDeletesAreConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, db := &buckettest.Memory{}, newFakeCatalogue()
		for i := range 800 {
			memory.Put(fmt.Sprintf("%03d", i), film(fmt.Sprint(i), "x"))
		}
		var now, most atomic.Int32
		memory.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.DeleteKey && !op.Applied {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
			}
			return nil
		}
		w := newTestWorker(oneByOneStore{memory}, db, func(o *Options) { o.Batch, o.Concurrency = 3, 64 })
		start := time.Now()
		if err := w.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkEmpty(t, memory)
		if took := time.Since(start); most.Load() != 64 || took > 20*time.Second {
			t.Errorf("at most %d deletes at a time, %s in all", most.Load(), took)
		}
	})
}

// TestHangingDeletesAreBounded: the worker stops reading while no delete ends.
func TestHangingDeletesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, db := &buckettest.Memory{}, newFakeCatalogue()
		for i := range 5000 {
			memory.Put(fmt.Sprintf("%04d", i), film(fmt.Sprint(i), "x"))
		}
		memory.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.DeleteKey && !op.Applied {
				time.Sleep(time.Hour)
			}
			return nil
		}
		w := newTestWorker(oneByOneStore{memory}, db, func(o *Options) { o.Batch = 10 })
		withRunning(t, w, func(stop func() error) {
			time.Sleep(30 * time.Minute)
			if n := memory.Counts().Gets; n > 1000 {
				t.Errorf("%d objects were read while none could be deleted", n)
			}
			if err := stop(); !errors.Is(err, ErrStoppedLate) {
				t.Errorf("run: %v", err)
			}
		})
	})
}

// TestStopCountsInterruptedDeletes: Run counts deletes that outlived their pass and that the
// shutdown interrupted.
func TestStopCountsInterruptedDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, db := &buckettest.Memory{}, newFakeCatalogue()
		memory.Put("key", film("F", "x"))
		memory.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.DeleteKey {
				time.Sleep(time.Minute)
				return errFault
			}
			return nil
		}
		withRunning(t, newTestWorker(oneByOneStore{memory}, db), func(stop func() error) {
			time.Sleep(20 * time.Second)
			if err := stop(); !errors.Is(err, ErrStoppedLate) || !strings.Contains(err.Error(), "1 object") {
				t.Errorf("run: %v", err)
			}
		})
	})
}

// TestConditionThatNeverHolds: if GET returns a generation after DELETE reported it
// overwritten, the store is at fault, and the worker says so.
func TestConditionThatNeverHolds(t *testing.T) {
	memory, db := &buckettest.Memory{}, newFakeCatalogue()
	etag := memory.Put("key", film("F", "x")).ETag
	memory.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.DeleteKey {
			return bucket.ErrChanged
		}
		return nil
	}
	w := newTestWorker(memory, db)
	err := w.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), etag) || !strings.Contains(err.Error(), "proxy") {
		t.Errorf("once: %v", err)
	}
	if n := testutil.ToFloat64(w.metrics.removeFailures); n != 1 {
		t.Errorf("%v failures are counted, want 1", n)
	}
}

// TestConditionalDeletesMetric: the metric is 0 when an overwritten object may be lost.
func TestConditionalDeletesMetric(t *testing.T) {
	for store, want := range map[bucket.Store]float64{&buckettest.Memory{}: 1, oneByOneStore{&buckettest.Memory{}}: 0} {
		w := newTestWorker(store, newFakeCatalogue())
		if err := w.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := testutil.ToFloat64(w.metrics.conditional); got != want {
			t.Errorf("metric %v, want %v", got, want)
		}
	}
}

// TestFailedCommitBesideAHangingDelete: the pass after a failed commit does not wait for a delete of
// the one before.
func TestFailedCommitBesideAHangingDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		store.Put("a", film("A", "x"))
		var hung atomic.Bool
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Delete && hung.CompareAndSwap(false, true) {
				store.Put("b", film("B", "x"))
				time.Sleep(10 * time.Minute)
			}
			return nil
		}
		var failed atomic.Bool
		db.fault = func(b movie.Batch, _ bool) error {
			if b.Updates[0].Title == "B" && failed.CompareAndSwap(false, true) {
				return errors.New("away")
			}
			return nil
		}
		w := newTestWorker(hungDuringPass{store, &hung}, db, func(o *Options) { o.Batch = 1 })
		withRunning(t, w, func(func() error) {
			time.Sleep(2 * time.Minute)
			if keys := store.Keys(); !failed.Load() || !slices.Equal(keys, []string{"a"}) {
				t.Errorf("a commit failed: %t; left after two minutes: %q", failed.Load(), keys)
			}
		})
	})
}

// hungDuringPass lists b in the pass in which the delete of a hangs.
type hungDuringPass struct {
	*buckettest.Memory
	hung *atomic.Bool
}

func (h hungDuringPass) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		first := !h.hung.Load()
		for page, err := range h.Memory.List(ctx) {
			if !yield(page, err) {
				return
			}
		}
		if !first {
			return
		}
		for !h.hung.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		for page, err := range h.Memory.List(ctx) {
			if !yield(page, err) {
				return
			}
		}
	}
}

// TestContentThatComesAgain: a key that alternates between two contents has the same ETags
// again and again. The store is not at fault.
func TestContentThatComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, db := &buckettest.Memory{}, newFakeCatalogue()
		contents := [][]byte{film("F", "x"), film("F", "y")}
		writes := 1
		memory.Put("key", contents[0])
		memory.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.DeleteKey && writes < 6 { // overwritten before each delete
				time.Sleep(2 * time.Second)
				memory.Put("key", contents[writes%2])
				writes++
			}
			return nil
		}
		w := newTestWorker(memory, db)
		if err := w.Once(t.Context()); err != nil {
			t.Errorf("once: %v", err)
		}
		if n := testutil.ToFloat64(w.metrics.removeFailures); n != 0 {
			t.Errorf("%v failures are counted, want none", n)
		}
	})
}
