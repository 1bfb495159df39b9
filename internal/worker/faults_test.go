package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
)

// TestFaults makes the nth call of each kind fail, once "not applied" and once "applied,
// answer lost", and then lets the worker continue without faults.
func TestFaults(t *testing.T) {
	kinds := []buckettest.Kind{buckettest.List, buckettest.Get, buckettest.Read, buckettest.Delete, buckettest.DeleteKey, "apply"}
	for _, kind := range kinds {
		for _, applied := range []bool{false, true} {
			if kind == buckettest.Read && applied {
				continue // Memory has no such step
			}
			for _, nth := range []int{1, 2, 7} {
				t.Run(fmt.Sprintf("%s/applied=%t/%d", kind, applied, nth), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testFault(t, kind, applied, nth) })
				})
			}
		}
	}
}

func testFault(t *testing.T, kind buckettest.Kind, applied bool, nth int) {
	store, db := &buckettest.Memory{PageSize: 4}, newFakeCatalogue()
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
	db.fault = func(_ movie.Batch, a bool) error {
		if kind == "apply" && a == applied {
			return hit()
		}
		return nil
	}
	w := newTestWorker(store, db, func(o *Options) { o.Batch, o.Concurrency = 5, 1 })
	for range 3 {
		w.finish(t.Context(), w.pass(t.Context(), t.Context(), fullListing))
	}
	// One request may delete all objects.
	if more := left.Load(); more > 0 && (kind != buckettest.Delete || nth == 1) {
		t.Errorf("the fault was not reached, %d more to go", more)
	}
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if diff := cmp.Diff(want, db.shows()); diff != "" {
		t.Error(diff)
	}
	if len(db.rejections) != 30 {
		t.Errorf("%d rejections, want 30", len(db.rejections))
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

func TestOverwrittenObjectIsNotLost(t *testing.T) {
	for _, kind := range []buckettest.Kind{buckettest.Get, buckettest.Read, buckettest.Delete} {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
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
		if err := newTestWorker(store, db).Once(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		checkEmpty(t, store)
		want := map[string][]string{"old 2000": {"x"}, "new 2000": {"y"}}
		if diff := cmp.Diff(want, db.shows()); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestRefusedUpdateIsSplitOff(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	db.refuse = "13"
	var bulk []byte
	for i := range 100 {
		bulk = append(bulk, film(fmt.Sprint(i), "x")...)
	}
	store.Put("bulk", append(bulk, "{bad"...))
	if err := newTestWorker(store, db).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if n := len(db.shows()); n != 99 {
		t.Errorf("%d movies, want 99", n)
	}
	if len(db.rejections) != 2 {
		t.Errorf("rejections: %v", db.rejections)
	}
	positions := make(map[int64]bool)
	for _, r := range db.rejections {
		positions[r.Position] = true
		if r.Position == 14 && (!strings.Contains(r.Reason, `column title does not take "13"`) || !strings.Contains(string(r.Bytes), `"13"`)) {
			t.Errorf("rejection: %+v %s", r, r.Bytes)
		}
	}
	if !positions[14] || !positions[101] {
		t.Errorf("rejections of %v, want the refused update, 14, and the broken one, 101", positions)
	}
}

// TestOnceWaitsBesideFailures: Once waits for a file that is still being written, also beside an
// object that cannot be read.
func TestOnceWaitsBesideFailures(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	store.Put("denied", film("1", "x"))
	store.Put("written", film("2", "x"))
	reads := 0
	store.Fault = func(op buckettest.Op) error {
		switch {
		case op.Kind == buckettest.Get && op.Key == "denied":
			return errors.New("access denied")
		case op.Kind == buckettest.Get:
			if reads++; reads < 3 {
				return bucket.ErrSettling
			}
		}
		return nil
	}
	err := newTestWorker(store, db).Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), `read "denied": access denied`) || !slices.Equal(store.Keys(), []string{"denied"}) {
		t.Errorf("left %q: %v", store.Keys(), err)
	}
}

func TestUnreadableObjectHoldsUpNothing(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	for i := range 10_000 {
		store.Put(fmt.Sprintf("%05d", i), film(fmt.Sprint(i), "x"))
	}
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.Get && op.Key == "00000" {
			return errors.New("access denied")
		}
		return nil
	}
	w := newTestWorker(store, db)
	err := w.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "remain: 1") || !strings.Contains(err.Error(), `read "00000": access denied`) {
		t.Errorf("once: %v", err)
	}
	if len(db.shows()) != 9999 || len(db.rejections) != 0 || !slices.Equal(store.Keys(), []string{"00000"}) {
		t.Errorf("%d movies, %d rejections, left %q", len(db.shows()), len(db.rejections), store.Keys())
	}
	// The last commit is told once: another worker of the shard may commit later.
	first, last := db.reports[0], db.reports[len(db.reports)-1]
	if len(db.reports) < 2 || first.LastCommit.IsZero() || last.ObjectsWaiting != 1 || last.OldestWaiting.IsZero() || !last.LastCommit.IsZero() {
		t.Errorf("reports: %+v ... %+v", first, last)
	}
	if n := store.Counts().Gets; n > 10_000+5 {
		t.Errorf("%d reads of 10000 objects", n)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("not ready because of one object: %v", err)
	}
}

// panicking is a store where reading the object bad to its end panics.
type panicking struct{ *buckettest.Memory }

func (p panicking) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	object, body, err := p.Memory.Get(ctx, key)
	if key == "bad" {
		body = panickingBody{body}
	}
	return object, body, err
}

type panickingBody struct{ io.ReadCloser }

func (b panickingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		panic("a decoder's fault")
	}
	return n, nil
}

// TestPanicOfOneObject: a panic while an object is read holds up no other.
func TestPanicOfOneObject(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	for _, key := range []string{"a", "bad", "c"} {
		store.Put(key, film(key, "x"))
	}
	err := newTestWorker(panicking{store}, db).Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), `read "bad": panic: a decoder's fault`) || len(db.shows()) != 2 || !slices.Equal(store.Keys(), []string{"bad"}) {
		t.Errorf("%.200v; movies %v, left %q", err, db.shows(), store.Keys())
	}
}

// TestLargeObjectStaysUntilItsLastBatch: an object stays while one of its parts is not
// committed.
func TestLargeObjectStaysUntilItsLastBatch(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	var bulk []byte
	for i := range 1000 {
		bulk = append(bulk, film(fmt.Sprint(i), "x")...)
	}
	store.Put("bulk", bulk)
	applied := 0
	db.fault = func(_ movie.Batch, a bool) error {
		if a {
			applied++
		}
		if applied == 2 {
			return errFault
		}
		return nil
	}
	w := newTestWorker(store, db, func(o *Options) { o.Batch = 100 })
	w.finish(t.Context(), w.pass(t.Context(), t.Context(), fullListing))
	if store.Counts().Deletes != 0 || len(store.Keys()) != 1 {
		t.Error("the object is gone before all of it is committed")
	}
	if err := w.Ready(t.Context()); err == nil {
		t.Error("ready though the catalogue is away")
	}
	db.fault = nil
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
	if n := len(db.shows()); n != 1000 {
		t.Errorf("%d movies", n)
	}
}

// TestSettlingFilesAreWaitedFor: Once waits for settling files and does not report that it
// made no progress.
func TestSettlingFilesAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		store.Put("key", film("F", "x"))
		store.Settle("key", true)
		go func() {
			time.Sleep(2 * time.Second)
			store.Settle("key", false)
		}()
		if err := newTestWorker(store, db).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkEmpty(t, store)
	})
}

// TestOnceReportsAFailedListing: a bucket that cannot be listed does not count as empty.
func TestOnceReportsAFailedListing(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	store.Put("key", film("F", "x"))
	store.Fault = func(op buckettest.Op) error {
		if op.Kind == buckettest.List {
			return errors.New("access denied")
		}
		return nil
	}
	w := newTestWorker(store, db)
	err := w.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "list: access denied") {
		t.Errorf("once: %v", err)
	}
	if n := testutil.ToFloat64(w.metrics.abortedPasses); n != 1 {
		t.Errorf("%v aborted passes are counted, want 1", n)
	}
}

// TestFilesBeingWrittenAreNoFailures: a producer may write to a file between its listing and
// its read, or while it is read.
func TestFilesBeingWrittenAreNoFailures(t *testing.T) {
	for kind, reason := range map[buckettest.Kind]error{buckettest.Get: bucket.ErrSettling, buckettest.Read: bucket.ErrChanged} {
		synctest.Test(t, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			store.Put("key", film("F", "x"))
			var times atomic.Int32
			store.Fault = func(op buckettest.Op) error {
				if op.Kind == kind && !op.Applied && times.Add(1) <= 3 {
					return reason
				}
				return nil
			}
			w := newTestWorker(store, db)
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

// slowLarge answers reads of objects below large/ after a minute.
type slowLarge struct{ *buckettest.Memory }

func (s slowLarge) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	if strings.HasPrefix(key, "large/") {
		time.Sleep(time.Minute)
	}
	return s.Memory.Get(ctx, key)
}

// TestLargeObjectsHoldUpNothing: while up to largeWaiting large objects wait, small ones of their
// listing are applied at once.
func TestLargeObjectsHoldUpNothing(t *testing.T) {
	for _, concurrency := range []int{2, 8, 16} {
		synctest.Test(t, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			for i := range 40 {
				store.Put(fmt.Sprintf("large/%02d", i), append(bytes.Repeat([]byte(" "), largeObject), film(fmt.Sprint(i), "x")...))
			}
			store.Put("small", film("Small", "y"))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() {
				ended <- newTestWorker(slowLarge{store}, db, func(o *Options) { o.Concurrency = concurrency }).Run(ctx)
			}()
			time.Sleep(10 * time.Second)
			if shown := db.shows(); len(shown) != 1 {
				t.Errorf("%d at a time, after 10 s: %v", concurrency, shown)
			}
			time.Sleep(time.Hour)
			if shown := db.shows(); len(shown) != 41 {
				t.Errorf("in the end %d movies", len(shown))
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// listedLarge lists all objects as large ones, and counts how many are read at a time.
type listedLarge struct {
	*buckettest.Memory
	inside, most atomic.Int64
}

func (s *listedLarge) Concurrency() int { return 3 }

func (s *listedLarge) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		for page, err := range s.Memory.List(ctx) {
			for i := range page {
				page[i].Size = largeObject + 1
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

func (s *listedLarge) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	raise(&s.most, s.inside.Add(1))
	time.Sleep(time.Millisecond)
	defer s.inside.Add(-1)
	return s.Memory.Get(ctx, key)
}

// TestManyLargeObjects: any number of large objects is read, as few at a time as the store wants.
func TestManyLargeObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &listedLarge{Memory: &buckettest.Memory{}}, newFakeCatalogue()
		for i := range 2*largeWaiting + 100 {
			store.Put(fmt.Sprint(i), film(fmt.Sprint(i), "x"))
		}
		if err := newTestWorker(store, db).Once(t.Context()); err != nil {
			t.Error(err)
		}
		checkEmpty(t, store.Memory)
		if n := store.most.Load(); n != 3 {
			t.Errorf("%d read at a time", n)
		}
	})
}
