package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
)

func newTestWorker(store bucket.Store, to Catalogue) *Worker {
	return New(Options{
		Store: store, Catalogue: to, Prepare: func(context.Context) error { return nil },
		Concurrency: 8, Batch: 500, IdleMin: time.Second, IdleMax: time.Minute, ShutdownTimeout: 20 * time.Second,
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
}

func film(title, genre string) []byte {
	return fmt.Appendf(nil, `{"title": %q, "year": 2000, "genres": [%q]}`+"\n", title, genre)
}

func checkEmpty(t *testing.T, store *buckettest.Memory) {
	t.Helper()
	if keys := store.Keys(); len(keys) > 0 {
		t.Errorf("still in the bucket: %q", keys)
	}
	if open := store.Counts().OpenReaders; open != 0 {
		t.Errorf("%d bodies were not closed", open)
	}
}

func TestOnceDrainsAll(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	store.Put("a/one.json", film("A", "x"))
	store.Put("bulk", append(append(film("B", "y"), "{broken\n"...), film("C", "z")...))
	store.Put("empty-array", []byte("[]"))
	store.Put("bad", []byte(`{"title": "no year"}`))
	store.Put("folder/", nil)
	store.Put(bucket.ProbePrefix+"x", []byte("probe"))
	if err := newTestWorker(store, to).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{bucket.ProbePrefix + "x", "folder/"}; !slices.Equal(store.Keys(), want) {
		t.Errorf("in the bucket: %q, want %q", store.Keys(), want)
	}
	want := map[string][]string{"A 2000": {"x"}, "B 2000": {"y"}, "C 2000": {"z"}}
	if diff := cmp.Diff(want, to.shows()); diff != "" {
		t.Error(diff)
	}
	var rejected []string
	for _, r := range to.rejections {
		rejected = append(rejected, fmt.Sprint(r.Key, " ", r.Position, " ", r.ObjectETag != "", " ", r.Reason != ""))
	}
	slices.Sort(rejected)
	if want := []string{"bad 1 true true", "bulk 2 true true"}; !slices.Equal(rejected, want) {
		t.Errorf("rejected: %q, want %q", rejected, want)
	}
}

// TestPassCosts holds the number of operations, which cost time and money.
func TestPassCosts(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	for i := range 1000 {
		store.Put(fmt.Sprintf("%04d", i), film(fmt.Sprint(i), "x"))
	}
	w := newTestWorker(store, to)
	p := w.pass(t.Context(), t.Context(), (*pass).list)
	if p.Removed != 1000 || p.Updates != 1000 || p.Waiting() != 0 {
		t.Errorf("pass: %+v", p.counts)
	}
	checkEmpty(t, store)
	got := store.Counts()
	if got.Deletes > to.applies {
		t.Errorf("%d bulk deletes for %d transactions", got.Deletes, to.applies)
	}
	if want := (buckettest.Counts{Lists: 1, Gets: 1000, Deletes: got.Deletes, DeletedKeys: 1000}); got != want {
		t.Errorf("bucket operations: %+v, want %+v", got, want)
	}
	// A batch is also committed when its first update has waited a while.
	if to.applies < 2 || to.applies > 20 {
		t.Errorf("%d transactions for 1000 updates", to.applies)
	}
}

// TestFaults lets each kind of step fail at its nth time, once "not applied" and
// once "applied, answer lost", and then lets the worker go on undisturbed.
func TestFaults(t *testing.T) {
	kinds := []buckettest.Kind{buckettest.List, buckettest.Get, buckettest.Read, buckettest.Delete, buckettest.DeleteKey, "apply"}
	for _, kind := range kinds {
		for _, applied := range []bool{false, true} {
			for _, nth := range []int{1, 2, 7} {
				t.Run(fmt.Sprintf("%s/applied=%t/%d", kind, applied, nth), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testFault(t, kind, applied, nth) })
				})
			}
		}
	}
}

var errFault = errors.New("fault")

func testFault(t *testing.T, kind buckettest.Kind, applied bool, nth int) {
	store, to := &buckettest.Memory{PageSize: 4}, newCatalogue()
	want := make(map[string][]string)
	for i := range 30 {
		title := fmt.Sprint(i % 20)
		store.Put(fmt.Sprintf("%02d", i), append(film(title, fmt.Sprint(i)), "{bad\n"...))
		want[title+" 2000"] = []string{fmt.Sprint(i)}
	}
	var left atomic.Int32
	left.Store(int32(nth))
	hit := func() error {
		if left.Add(-1) == 0 {
			return errFault
		}
		return nil
	}
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == kind && op.Applied == applied {
			return hit()
		}
		return nil
	}
	to.fault = func(_ movie.Batch, a bool) error {
		if kind == "apply" && a == applied {
			return hit()
		}
		return nil
	}
	w := newTestWorker(store, to)
	w.Batch, w.Concurrency = 5, 1
	for range 3 {
		w.finish(t.Context(), w.pass(t.Context(), t.Context(), (*pass).list))
	}
	if nth := left.Load(); nth > 0 && kind != buckettest.Delete && (kind != buckettest.Read || !applied) {
		t.Errorf("the fault was not reached, %d more to go", nth)
	}
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if diff := cmp.Diff(want, to.shows()); diff != "" {
		t.Error(diff)
	}
	if len(to.rejections) != 30 {
		t.Errorf("%d rejections, want 30", len(to.rejections))
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

func TestOverwrittenMeanwhileIsNotLost(t *testing.T) {
	for _, kind := range []buckettest.Kind{buckettest.Get, buckettest.Read, buckettest.Delete} {
		store, to := &buckettest.Memory{}, newCatalogue()
		now := time.Unix(1000, 0)
		store.Now = func() time.Time { return now }
		store.Put("key", film("old", "x"))
		overwritten := false
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == kind && !overwritten && (op.Applied || kind != buckettest.Get) {
				overwritten = true
				now = now.Add(time.Second)
				store.Put("key", film("new", "y"))
			}
			return nil
		}
		if err := newTestWorker(store, to).Once(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		checkEmpty(t, store)
		want := map[string][]string{"old 2000": {"x"}, "new 2000": {"y"}}
		if diff := cmp.Diff(want, to.shows()); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

// TestStampIsOfTheGet: an object overwritten between LIST and GET carries the
// time of what was read.
func TestStampIsOfTheGet(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	now := time.Unix(1000, 0)
	store.Now = func() time.Time { return now }
	store.Put("key", film("F", "x"))
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.Get && !op.Applied {
			now = time.Unix(2000, 0)
			store.Put("key", film("F", "y"))
			store.Fault = nil
		}
		return nil
	}
	if err := newTestWorker(store, to).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := to.records[movie.Identity{Title: "F", Year: 2000}].Updated
	if want := (movie.Stamp{Time: movie.At(time.Unix(2000, 0)), Key: "key", Position: 1}); got != want {
		t.Errorf("stamp is %+v, want %+v", got, want)
	}
}

func TestRefusedUpdateIsSplitOff(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	to.refuse = "13"
	var bulk []byte
	for i := range 100 {
		bulk = append(bulk, film(fmt.Sprint(i), "x")...)
	}
	store.Put("bulk", append(bulk, "{bad"...))
	if err := newTestWorker(store, to).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if n := len(to.shows()); n != 99 {
		t.Errorf("%d movies, want 99", n)
	}
	if len(to.rejections) != 2 {
		t.Errorf("rejections: %v", to.rejections)
	}
	for _, r := range to.rejections {
		if r.Position == 14 && (!strings.Contains(r.Reason, `column title does not take "13"`) || !strings.Contains(string(r.Bytes), `"13"`)) {
			t.Errorf("rejection: %+v %s", r, r.Bytes)
		}
	}
}

func TestUnreadableObjectHoldsUpNothing(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	for i := range 10_000 {
		store.Put(fmt.Sprintf("%05d", i), film(fmt.Sprint(i), "x"))
	}
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.Get && op.Key == "00000" {
			return errors.New("access denied")
		}
		return nil
	}
	w := newTestWorker(store, to)
	err := w.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "remain: 1") || !strings.Contains(err.Error(), `read "00000": access denied`) {
		t.Errorf("once: %v", err)
	}
	if len(to.shows()) != 9999 || len(to.rejections) != 0 || !slices.Equal(store.Keys(), []string{"00000"}) {
		t.Errorf("%d movies, %d rejections, left %q", len(to.shows()), len(to.rejections), store.Keys())
	}
	last := to.reports[len(to.reports)-1]
	if last.ObjectsWaiting != 1 || last.OldestWaiting.IsZero() || last.LastCommit.IsZero() {
		t.Errorf("report: %+v", last)
	}
	if n := store.Counts().Gets; n > 10_000+5 {
		t.Errorf("%d reads of 10000 objects", n)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("one object makes the worker unready: %v", err)
	}
}

// TestLargeObjectStaysUntilItsLastBatch: a part that is not committed keeps the
// whole object.
func TestLargeObjectStaysUntilItsLastBatch(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	var bulk []byte
	for i := range 1000 {
		bulk = append(bulk, film(fmt.Sprint(i), "x")...)
	}
	store.Put("bulk", bulk)
	applied := 0
	to.fault = func(_ movie.Batch, a bool) error {
		if a {
			applied++
		}
		if applied == 2 {
			return errFault
		}
		return nil
	}
	w := newTestWorker(store, to)
	w.Batch = 100
	w.finish(t.Context(), w.pass(t.Context(), t.Context(), (*pass).list))
	if store.Counts().Deletes != 0 || len(store.Keys()) != 1 {
		t.Error("the object is gone before all of it is committed")
	}
	if err := w.Ready(t.Context()); err == nil {
		t.Error("ready though the catalogue is away")
	}
	to.fault = nil
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if n := len(to.shows()); n != 1000 {
		t.Errorf("%d movies", n)
	}
}

func TestShardsShareTheKeys(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	for i := range 300 {
		store.Put(fmt.Sprint(i), film(fmt.Sprint(i), "x"))
	}
	for i := range 3 {
		before := len(store.Keys())
		w := newTestWorker(store, to)
		w.Shard = Shard{Index: i, Count: 3}
		if err := w.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if taken := before - len(store.Keys()); taken < 50 || taken > 150 {
			t.Errorf("shard %s took %d of 300", w.Shard, taken)
		}
	}
	checkEmpty(t, store)
	if n := store.Counts().Gets; n != 300 {
		t.Errorf("%d reads of 300 objects", n)
	}
}

func TestPauseGrowsAndFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
		var mu sync.Mutex
		var listed []time.Time
		passes := func() int { mu.Lock(); defer mu.Unlock(); return len(listed) }
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.List && !op.Applied {
				mu.Lock()
				defer mu.Unlock()
				listed = append(listed, time.Now())
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		w := newTestWorker(store, to)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		n := passes()
		gap := func(i int) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return listed[i+1].Sub(listed[i])
		}
		near := func(got, want time.Duration) bool { return got > want*85/100 && got < want*115/100 }
		if !near(gap(0), 2*time.Second) || !near(gap(n-2), time.Minute) {
			t.Errorf("pauses are from %s to %s", gap(0), gap(n-2))
		}
		store.Put("key", film("F", "x"))
		time.Sleep(2 * time.Minute)
		if len(to.shows()) != 1 || !near(gap(n), time.Second) {
			t.Errorf("after an object the pause is %s", gap(n))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestStopFinishesWhatIsInHand: nothing new is taken after the signal, and what
// was taken is committed and deleted.
func TestStopFinishesWhatIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
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
		if err := newTestWorker(store, to).Run(ctx); err != nil {
			t.Error(err)
		}
		taken := 500 - len(store.Keys())
		if taken < 90 || taken > 130 || taken != len(to.shows()) {
			t.Errorf("%d objects gone, %d movies", taken, len(to.shows()))
		}
	})
}

func TestStopTooLateSaysWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
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
		err := newTestWorker(store, to).Run(ctx)
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

func TestStartWaitsForServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
		store.Put("key", film("F", "x"))
		w := newTestWorker(store, to)
		tries := 0
		w.Prepare = func(context.Context) error {
			if tries++; tries < 4 {
				return errors.New("connection refused")
			}
			return nil
		}
		if err := w.Ready(t.Context()); err == nil {
			t.Error("ready before the start")
		}
		if err := w.Once(t.Context()); err != nil || tries != 4 {
			t.Errorf("once: %v after %d tries", err, tries)
		}
		checkEmpty(t, store)
	})
}

// TestNothingIsDeletedBeforeTheProof: reading and committing go on meanwhile. A worker
// that stops before the proof leaves the objects.
func TestNothingIsDeletedBeforeTheProof(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, to := &buckettest.Memory{}, newCatalogue()
			store.Put("key", film("F", "x"))
			w := newTestWorker(store, to)
			ctx, stop := context.WithCancel(t.Context())
			w.Prove = func(proving context.Context) error {
				synctest.Wait()
				if len(to.shows()) != 1 || !slices.Equal(store.Keys(), []string{"key"}) {
					t.Errorf("before the proof: applied %q, left %q", to.shows(), store.Keys())
				}
				if stopped {
					stop()
					<-proving.Done()
				}
				return proving.Err()
			}
			err := w.Once(ctx)
			if left := store.Keys(); (len(left) == 1) != stopped || stopped != errors.Is(err, ErrStoppedLate) {
				t.Errorf("stopped: %t, left %q, %v", stopped, left, err)
			}
			stop()
		})
	}
}

// TestSettlingFilesAreWaitedFor: they are no lack of progress.
func TestSettlingFilesAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
		store.Put("key", film("F", "x"))
		store.Settle("key", true)
		go func() {
			time.Sleep(2 * time.Second)
			store.Settle("key", false)
		}()
		if err := newTestWorker(store, to).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkEmpty(t, store)
	})
}

// TestOnceSaysThatItCannotList: a bucket that cannot be listed is not an empty
// one.
func TestOnceSaysThatItCannotList(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	store.Put("key", film("F", "x"))
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.List {
			return errors.New("access denied")
		}
		return nil
	}
	w := newTestWorker(store, to)
	err := w.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "list: access denied") {
		t.Errorf("once: %v", err)
	}
	if n := testutil.ToFloat64(w.metrics.brokenPasses); n != 1 {
		t.Errorf("%v broken passes are counted, want 1", n)
	}
}

// TestStopTakesNoLargeObjectThatWaits: the objects that wait for their turn to
// be read are not in hand.
func TestStopTakesNoLargeObjectThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
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
		w := newTestWorker(store, to)
		w.Concurrency = 40
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := store.Counts().Gets; n > largeAtOnce {
			t.Errorf("%d objects were taken, %d of them after the signal", n, n-largeAtOnce)
		}
	})
}

// TestStopBreaksOffAnObjectOfManyUpdates: a signal is not kept waiting by a large
// object. It stays, and all of it is there when another worker has read it.
func TestStopBreaksOffAnObjectOfManyUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, to := &buckettest.Memory{}, newCatalogue()
		var content []byte
		for i := range 20 * partItems {
			content = append(content, film(fmt.Sprint(i), "x")...)
		}
		store.Put("large", content)
		ctx, stop := context.WithCancel(t.Context())
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied {
				stop()
			}
			return nil
		}
		if err := newTestWorker(store, to).Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		if n := len(to.shows()); n < 1 || n > 2*partItems {
			t.Errorf("%d movies were committed after the signal, want the first part", n)
		}
		if !slices.Equal(store.Keys(), []string{"large"}) {
			t.Errorf("left: %q", store.Keys())
		}
		store.Fault = nil
		if err := newTestWorker(store, to).Once(t.Context()); err != nil {
			t.Errorf("once: %v", err)
		}
		if n := len(to.shows()); n != 20*partItems {
			t.Errorf("%d movies, want %d", n, 20*partItems)
		}
		checkEmpty(t, store)
	})
}

// TestTouchedFilesAreNoFailures: a file may be touched between the listing and its
// reading, or while it is read.
func TestTouchedFilesAreNoFailures(t *testing.T) {
	for kind, reason := range map[buckettest.Kind]error{buckettest.Get: bucket.ErrSettling, buckettest.Read: bucket.ErrChanged} {
		synctest.Test(t, func(t *testing.T) {
			store, to := &buckettest.Memory{}, newCatalogue()
			store.Put("key", film("F", "x"))
			var times atomic.Int32
			store.Fault = func(op buckettest.Op) error {
				if op.Kind == kind && !op.Applied && times.Add(1) <= 3 {
					return reason
				}
				return nil
			}
			w := newTestWorker(store, to)
			if err := w.Once(t.Context()); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			checkEmpty(t, store)
			if n := testutil.ToFloat64(w.metrics.readFailures); n != 0 {
				t.Errorf("%s: %v failures are counted", kind, n)
			}
		})
	}
}
