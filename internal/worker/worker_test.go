package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
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

func newTestWorker(store bucket.Store, db *fakeCatalogue, change ...func(*Options)) *Worker {
	o := Options{
		Store: store, Catalogue: db, Status: db, Prepare: func(context.Context) error { return nil },
		Concurrency: 8, Batch: 500, IdleMin: time.Second, IdleMax: time.Minute, ShutdownTimeout: 20 * time.Second,
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

func film(title, genre string) []byte {
	return fmt.Appendf(nil, `{"title": %q, "year": 2000, "genres": [%q]}`+"\n", title, genre)
}

func checkEmpty(t *testing.T, store *buckettest.Memory) {
	t.Helper()
	if keys := store.Keys(); len(keys) > 0 {
		t.Errorf("in the bucket: %q", keys)
	}
	if open := store.Counts().OpenReaders; open != 0 {
		t.Errorf("%d bodies were not closed", open)
	}
}

func TestOnceEmptiesTheBucket(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	store.Put("a/one.json", film("A", "x"))
	store.Put("bulk", append(append(film("B", "y"), "{broken\n"...), film("C", "z")...))
	store.Put("empty-array", []byte("[]"))
	store.Put("bad", []byte(`{"title": "no year"}`))
	store.Put("folder/", nil)
	store.Put(bucket.ProbePrefix+"x", []byte("probe"))
	if err := newTestWorker(store, db).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{bucket.ProbePrefix + "x", "folder/"}; !slices.Equal(store.Keys(), want) {
		t.Errorf("in the bucket: %q, want %q", store.Keys(), want)
	}
	want := map[string][]string{"A 2000": {"x"}, "B 2000": {"y"}, "C 2000": {"z"}}
	if diff := cmp.Diff(want, db.shows()); diff != "" {
		t.Error(diff)
	}
	var rejected []string
	for _, r := range db.rejections {
		rejected = append(rejected, fmt.Sprint(r.Key, " ", r.Position, " ", r.ObjectETag != "", " ", r.Reason != ""))
	}
	slices.Sort(rejected)
	if want := []string{"bad 1 true true", "bulk 2 true true"}; !slices.Equal(rejected, want) {
		t.Errorf("rejected: %q, want %q", rejected, want)
	}
}

// TestPassCosts limits the number of requests and transactions of a pass.
func TestPassCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		for i := range 1000 {
			store.Put(fmt.Sprintf("%04d", i), film(fmt.Sprint(i), "x"))
		}
		w := newTestWorker(store, db)
		p := w.pass(t.Context(), t.Context(), fullListing)
		if p.counts.Removed != 1000 || p.counts.Updates != 1000 || p.counts.waiting() != 0 {
			t.Errorf("pass: %+v", p.counts)
		}
		checkEmpty(t, store)
		got := store.Counts()
		if got.Deletes > db.applies {
			t.Errorf("%d bulk deletes for %d transactions", got.Deletes, db.applies)
		}
		if want := (buckettest.Counts{Lists: 1, Gets: 1000, Deletes: got.Deletes, DeletedKeys: 1000}); got != want {
			t.Errorf("bucket operations: %+v, want %+v", got, want)
		}
		// No time passes, so a batch is committed only when it is full.
		if db.applies != 2 {
			t.Errorf("%d transactions for 1000 updates, want 2 of 500", db.applies)
		}
	})
}

var errFault = errors.New("fault")

// TestStampIsOfTheGet: updates of an object overwritten between LIST and GET carry the time
// of the generation that was read.
func TestStampIsOfTheGet(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
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
	if err := newTestWorker(store, db).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := db.records[movie.Identity{Title: "F", Year: 2000}].Updated
	if want := (movie.Stamp{Time: movie.At(time.Unix(2000, 0)), Key: "key", Position: 1}); got != want {
		t.Errorf("stamp is %+v, want %+v", got, want)
	}
}

func TestShardsShareTheKeys(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	for i := range 300 {
		store.Put(fmt.Sprint(i), film(fmt.Sprint(i), "x"))
	}
	for i := range 3 {
		before := len(store.Keys())
		shard := Shard{Index: i, Count: 3}
		w := newTestWorker(store, db, func(o *Options) { o.Shard = shard })
		if err := w.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if taken := before - len(store.Keys()); taken < 50 || taken > 150 {
			t.Errorf("shard %s took %d of 300", shard, taken)
		}
	}
	checkEmpty(t, store)
	if n := store.Counts().Gets; n != 300 {
		t.Errorf("%d reads of 300 objects", n)
	}
}

func TestPauseGrowsAndFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
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
		w := newTestWorker(store, db)
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
		if len(db.shows()) != 1 || !near(gap(n), time.Second) {
			t.Errorf("after an object the pause is %s", gap(n))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStartWaitsForServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		store.Put("key", film("F", "x"))
		store.Put("later", film("G", "x"))
		tries := 0
		w := newTestWorker(store, db, func(o *Options) {
			o.Prepare = func(context.Context) error {
				if tries++; tries < 4 {
					return errors.New("connection refused")
				}
				return nil
			}
		})
		if err := w.Ready(t.Context()); err == nil {
			t.Error("ready before the start")
		}
		var inFirstPass, quiet error
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Key == "later" && !op.Applied {
				time.Sleep(time.Second)
				inFirstPass = w.Ready(t.Context())
				time.Sleep(time.Minute)
				quiet = w.Ready(t.Context())
			}
			return nil
		}
		if err := w.Once(t.Context()); err != nil || tries != 4 || inFirstPass != nil || quiet == nil {
			t.Errorf("once: %v after %d tries; ready in the first pass: %v, after a minute without a read: %v", err, tries, inFirstPass, quiet)
		}
		checkEmpty(t, store)
	})
}

// TestGhost: a store that lists what GET does not find does not keep Once for ever.
func TestGhost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &buckettest.Memory{}
		store.Put("ghost", film("F", "x"))
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get {
				return bucket.ErrNotFound
			}
			return nil
		}
		w := newTestWorker(store, newFakeCatalogue())
		if err := w.Once(t.Context()); err == nil || !strings.Contains(err.Error(), `"ghost": listed again and again`) {
			t.Errorf("once: %v", err)
		}
	})
}

// TestNothingIsDeletedBeforeTheProof: the worker reads and commits while Prove runs. If it
// stops before Prove has ended, the objects stay.
func TestNothingIsDeletedBeforeTheProof(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			store.Put("key", film("F", "x"))
			ctx, stop := context.WithCancel(t.Context())
			prove := func(proving context.Context) error {
				synctest.Wait()
				if len(db.shows()) != 1 || !slices.Equal(store.Keys(), []string{"key"}) {
					t.Errorf("before the proof: applied %q, left %q", db.shows(), store.Keys())
				}
				if stopped {
					stop()
					<-proving.Done()
				}
				return proving.Err()
			}
			w := newTestWorker(store, db, func(o *Options) { o.Prove = prove })
			err := w.Once(ctx)
			if left := store.Keys(); (len(left) == 1) != stopped || stopped != errors.Is(err, ErrStoppedLate) {
				t.Errorf("stopped: %t, left %q, %v", stopped, left, err)
			}
			stop()
		})
	}
}

// TestOnceStoppedBeforeItBegins: a signal while a server is waited for is no failure.
func TestOnceStoppedBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorker(&buckettest.Memory{}, newFakeCatalogue(), func(o *Options) {
			o.Prepare = func(context.Context) error { return errors.New("away") }
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Once(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("it ends with %v", err)
		}
	})
}

// TestOnceDoesNotWaitForEver: objects that are still being written in every pass, or gone in every
// pass, however many they are, end Once after some time.
func TestOnceDoesNotWaitForEver(t *testing.T) {
	for answer, want := range map[error]string{bucket.ErrSettling: "may still be being written, such as", bucket.ErrNotFound: "gone when they were read"} {
		synctest.Test(t, func(t *testing.T) {
			store := &buckettest.Memory{}
			for i := range counterLimit + 10 {
				store.Put(fmt.Sprint(i), film("F", "x"))
			}
			store.Fault = func(op buckettest.Op) error {
				if op.Kind == buckettest.Get {
					time.Sleep(5 * time.Millisecond)
					return answer
				}
				return nil
			}
			w := newTestWorker(store, newFakeCatalogue())
			began := time.Now()
			if err := w.Once(t.Context()); err == nil || !strings.Contains(err.Error(), want) || time.Since(began) > 2*time.Minute {
				t.Errorf("%v: ends after %s with %v", answer, time.Since(began), err)
			}
		})
	}
}

// TestReadyWhileItWorks: what failed before a long pass does not make the worker unready while that
// pass commits. When it commits nothing any more, it is unready again.
func TestReadyWhileItWorks(t *testing.T) {
	for _, failing := range []string{"proof", "commit"} {
		synctest.Test(t, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			for i := range 60 {
				store.Put(fmt.Sprintf("%03d", i), film(fmt.Sprint(i), "x"))
			}
			hangs := make(chan struct{})
			store.Fault = func(op buckettest.Op) error {
				if op.Kind == buckettest.Get && !op.Applied {
					time.Sleep(time.Second)
					if op.Key == "040" {
						<-hangs
					}
				}
				return nil
			}
			began, failsUntil := time.Now(), 3*time.Second
			if failing == "commit" {
				failsUntil = 7 * time.Second
			}
			fails := func() bool { return time.Since(began) < failsUntil }
			var refuses atomic.Value // the title that the database fails at, * for all
			failed := make(chan bool, 100)
			db.fault = func(b movie.Batch, _ bool) error {
				title, _ := refuses.Load().(string)
				if failing == "commit" && fails() || title == "*" {
					return errors.New("commit: away")
				}
				if slices.ContainsFunc(b.Updates, func(u movie.Update) bool { return u.Title == title }) {
					time.Sleep(3 * time.Second)
					failed <- true
					return errors.New("away")
				}
				return nil
			}
			w := newTestWorker(store, db, func(o *Options) {
				o.Concurrency, o.Batch = 1, 5
				if failing == "proof" {
					o.Prove = func(context.Context) error {
						if fails() {
							return errors.New("probe: away")
						}
						return nil
					}
				}
			})
			withRunning(t, w, func(func() error) {
				time.Sleep(30 * time.Second)
				if err := w.Ready(t.Context()); err != nil {
					t.Errorf("%s: in a pass that works: %v", failing, err)
				}
				time.Sleep(time.Minute)
				if err := w.Ready(t.Context()); err == nil {
					t.Errorf("%s: ready in a pass that hangs", failing)
				}
				close(hangs)
				time.Sleep(2 * time.Minute)
				if err := w.Ready(t.Context()); err != nil {
					t.Errorf("%s: at the end: %v", failing, err)
				}
				checkEmpty(t, store)
				refuses.Store("*")
				store.Put("z", film("Z", "x"))
				time.Sleep(2 * time.Minute)
				refuses.Store("")
				time.Sleep(2 * time.Minute)
				if err := w.Ready(t.Context()); err != nil {
					t.Errorf("%s: after an outage: %v", failing, err)
				}
				refuses.Store("Z20")
				for i := range 21 { // the last batch fails
					store.Put(fmt.Sprintf("z%02d", i), film(fmt.Sprint("Z", i), "x"))
				}
				<-failed
				for range 40 {
					time.Sleep(500 * time.Millisecond)
					if err := w.Ready(t.Context()); err == nil {
						t.Fatalf("%s: ready after a commit that failed", failing)
					}
				}
			})
		})
	}
}

// partial is a store of which a part cannot be listed.
type partial struct{ *buckettest.Memory }

func (p partial) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		for page, err := range p.Memory.List(ctx) {
			if !yield(page, err) {
				return
			}
		}
		yield(nil, fmt.Errorf("%w: lost+found: permission denied", bucket.ErrPartial))
	}
}

// TestPartialListing: what can be listed is drained, and the worker is ready; Once tells the rest.
func TestPartialListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := partial{&buckettest.Memory{}}
		store.Put("key", film("F", "x"))
		w := newTestWorker(store, newFakeCatalogue())
		withRunning(t, w, func(func() error) {
			time.Sleep(time.Minute)
			if err := w.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			checkEmpty(t, store.Memory)
			if testutil.ToFloat64(w.metrics.readFailures) == 0 {
				t.Error("no failure is counted")
			}
		})
		if err := newTestWorker(store, newFakeCatalogue()).Once(t.Context()); err == nil || !strings.Contains(err.Error(), "lost+found") {
			t.Errorf("once: %v", err)
		}
	})
}

// TestLargeBesideCompressed: large objects and small compressed ones, of which few may be read at a
// time, do not wait for each other.
func TestLargeBesideCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := limitedStore{&buckettest.Memory{}}
		var small bytes.Buffer
		w := gzip.NewWriter(&small)
		_, _ = w.Write(film("F", "x"))
		_ = w.Close()
		for i := range 40 {
			store.Put(fmt.Sprintf("%02d", 2*i), small.Bytes())
			store.Put(fmt.Sprintf("%02d", 2*i+1), append(film(fmt.Sprint(i), "x"), bytes.Repeat([]byte("\n"), largeObject)...))
		}
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && !op.Applied {
				time.Sleep(time.Second)
			}
			return nil
		}
		if err := newTestWorker(store, newFakeCatalogue(), func(o *Options) { o.Concurrency = 64 }).Once(t.Context()); err != nil {
			t.Error(err)
		}
		checkEmpty(t, store.Memory)
	})
}

// limitedStore wants few reads at a time.
type limitedStore struct{ *buckettest.Memory }

func (limitedStore) Concurrency() int { return 3 }
