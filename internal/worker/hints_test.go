package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
	"jpmovies/internal/queue"
	"jpmovies/internal/queue/queuetest"
)

// queueFixture is a running worker with its queue, bucket and catalogue.
type queueFixture struct {
	options Options // of the worker; prepare may change them
	worker  *Worker
	store   *buckettest.Memory
	db      *fakeCatalogue
	queue   *queuetest.Memory
	stop    func() error // stops the worker and returns what Run returned
}

// withQueue runs test beside a worker with a queue, in a synctest bubble. The first listing
// has ended when test begins.
func withQueue(t *testing.T, prepare func(*queueFixture), test func(*queueFixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &queueFixture{store: &buckettest.Memory{}, db: newFakeCatalogue(), queue: &queuetest.Memory{}}
		s.options = newTestWorker(s.store, s.db).options
		s.options.Metrics = prometheus.NewRegistry()
		s.options.Hints = Hints{Queue: s.queue, Scope: queue.Scope{Bucket: "films", Prefix: "in/"}, Reconcile: 10 * time.Minute}
		prepare(s)
		s.worker = New(s.options)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.worker.Run(ctx) }()
		s.stop = func() error { cancel(); return <-ended }
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		test(s)
		if ctx.Err() == nil {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func notification(keys ...string) string {
	var records []string
	for _, key := range keys {
		records = append(records, fmt.Sprintf(`{"eventName": "ObjectCreated:Put", "eventTime": "2026-11-01T10:00:00Z",
			"s3": {"bucket": {"name": "films"}, "object": {"key": %q, "size": 9}}}`, url.QueryEscape(key)))
	}
	return `{"Records": [` + strings.Join(records, ",") + `]}`
}

func (s *queueFixture) put(key, title string) {
	s.store.Put(key, film(title, "x"))
	s.queue.Send(notification(key))
}

func (s *queueFixture) counted(c prometheus.Counter) int { return int(testutil.ToFloat64(c)) }

func TestHintIsReadAtOnce(t *testing.T) {
	withQueue(t, func(s *queueFixture) { s.store.Put("in/before", film("A", "x")) }, func(s *queueFixture) {
		time.Sleep(5 * time.Second) // in the middle of a long poll
		s.put("in/one +é", "B")
		time.Sleep(3 * time.Second)
		if len(s.db.shows()) != 2 {
			t.Errorf("movies: %v", s.db.shows())
		}
		time.Sleep(5 * time.Minute)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if got := s.store.Counts(); got.Lists != 1 || got.Gets != 2 {
			t.Errorf("bucket operations: %+v", got)
		}
		if s.counted(s.worker.metrics.received) != 1 || s.counted(s.worker.metrics.deleted) != 1 || s.counted(s.worker.metrics.ignored) != 0 {
			t.Error("metrics of messages are wrong")
		}
		if last := s.db.reports[len(s.db.reports)-1]; time.Since(last.LastPass) > hintWait+time.Second {
			t.Errorf("the last report is %s old", time.Since(last.LastPass))
		}
	})
}

// impatient is a queue that answers at once, however long it should wait.
type impatient struct {
	queue.Queue
	asked atomic.Int64
}

func (q *impatient) Receive(ctx context.Context, _ time.Duration) ([]queue.Message, error) {
	q.asked.Add(1)
	return q.Queue.Receive(ctx, 0)
}

// TestImpatientQueue: a queue that does not wait is not asked without a pause.
func TestImpatientQueue(t *testing.T) {
	q := &impatient{}
	withQueue(t, func(s *queueFixture) {
		q.Queue = s.queue
		s.options.Hints.Queue = q
		s.options.IdleMin = time.Second
	}, func(*queueFixture) {
		before := q.asked.Load()
		time.Sleep(time.Minute)
		if n := q.asked.Load() - before; n < 10 || n > 120 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

// TestReconcile: the next listing finds an object whose message was lost.
func TestReconcile(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
		s.store.Put("in/lost", film("A", "x"))
		time.Sleep(9 * time.Minute)
		if len(s.store.Keys()) != 1 {
			t.Error("the object was read without a message or a listing")
		}
		time.Sleep(90 * time.Second)
		checkEmpty(t, s.store)
		if n := s.store.Counts().Lists; n != 2 {
			t.Errorf("%d listings, want 2", n)
		}
	})
}

// TestFailingListing: a listing that fails is repeated within minutes, so that its metric moves
// while the fault lasts. Messages are followed in between.
func TestFailingListing(t *testing.T) {
	var denied atomic.Bool
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.List && denied.Load() {
				return errors.New("access denied")
			}
			return nil
		}
	}, func(s *queueFixture) {
		denied.Store(true)
		time.Sleep(3 * time.Hour)
		before := s.counted(s.worker.metrics.abortedPasses)
		time.Sleep(10 * time.Minute)
		if n := s.counted(s.worker.metrics.abortedPasses) - before; n < 2 {
			t.Errorf("%d failed listings in 10 minutes", n)
		}
		s.put("in/a", "A")
		time.Sleep(4 * time.Minute)
		if len(s.db.shows()) != 1 {
			t.Error("the message is not followed")
		}
	})
}

// TestHintsOfOneKey: a message that arrives while its object is in flight may tell of a newer
// generation. The next pass reads it, once for all such messages.
func TestHintsOfOneKey(t *testing.T) {
	withQueue(t, func(s *queueFixture) {
		overwritten := false
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Applied && !overwritten {
				overwritten = true
				s.put("in/a", "B")
				s.put("in/a", "C")
				time.Sleep(500 * time.Millisecond) // they are received in the same pass
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.put("in/a", "A")
		time.Sleep(20 * time.Second)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if got := s.store.Counts(); got.Lists != 1 || got.Gets != 2 {
			t.Errorf("bucket operations: %+v", got)
		}
		if _, last := s.db.shows()["C 2000"]; !last {
			t.Errorf("movies: %v", s.db.shows())
		}
	})
}

// TestQueueAway: while the queue does not answer, the worker lists; then it uses it again.
func TestQueueAway(t *testing.T) {
	var away atomic.Bool
	withQueue(t, func(s *queueFixture) {
		away.Store(true)
		s.queue.Fault = func(string) error {
			if away.Load() {
				return errors.New("access denied")
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.put("in/a", "A")
		time.Sleep(2 * time.Minute)
		checkEmpty(t, s.store)
		lists, failures := s.store.Counts().Lists, s.counted(s.worker.metrics.receiveFailures)
		if lists < 5 || lists > 20 || failures < 3 || failures > 10 {
			t.Errorf("%d listings, %d failures", lists, failures)
		}
		if err := s.worker.Ready(t.Context()); err != nil {
			t.Errorf("not ready: %v", err)
		}
		away.Store(false)
		time.Sleep(3 * time.Minute)
		lists = s.store.Counts().Lists
		s.put("in/b", "B")
		time.Sleep(5 * time.Second)
		checkEmpty(t, s.store)
		if n := s.store.Counts().Lists; n != lists || s.queue.Len() != 0 {
			t.Errorf("%d more listings, %d messages are left", n-lists, s.queue.Len())
		}
	})
}

func TestStopInterruptsTheWait(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
		time.Sleep(5 * time.Second)
		start := time.Now()
		if err := s.stop(); err != nil || time.Since(start) > 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestMessagesInFlightAreBounded: while the store is slow, messages stay in the queue.
func TestMessagesInFlightAreBounded(t *testing.T) {
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && !op.Applied {
				time.Sleep(time.Minute)
			}
			return nil
		}
	}, func(s *queueFixture) {
		for i := range 1000 {
			s.put(fmt.Sprint("in/", i), "A")
		}
		time.Sleep(time.Minute - time.Second) // the first reads end a second later
		if n := s.counted(s.worker.metrics.received); n > 2*s.options.Concurrency+queue.MaxMessages {
			t.Errorf("%d messages in flight", n)
		}
		time.Sleep(10 * time.Hour)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

// TestAnswerOfTheQueueIsLost: a listing finds the objects at once, before the messages come
// again.
func TestAnswerOfTheQueueIsLost(t *testing.T) {
	var lost atomic.Bool
	withQueue(t, func(s *queueFixture) {
		s.queue.Fault = func(operation string) error {
			if operation == "receive" && lost.CompareAndSwap(true, false) {
				return errFault
			}
			return nil
		}
	}, func(s *queueFixture) {
		lost.Store(true)
		s.put("in/a", "A")                  // ends the long poll, and the next receive fails
		s.store.Put("in/b", film("B", "x")) // named by the lost messages
		time.Sleep(10 * time.Second)
		if keys := s.store.Keys(); lost.Load() || len(keys) > 0 {
			t.Errorf("in the bucket: %v, fault not used: %v", keys, lost.Load())
		}
	})
}

// TestReceivesAreConcurrent: several receives are in flight while answers are full, and few
// when there is nothing to receive.
func TestReceivesAreConcurrent(t *testing.T) {
	const objects, answer = 2000, 50 * time.Millisecond
	var inFlight, most, receives atomic.Int32
	withQueue(t, func(s *queueFixture) {
		s.options.Concurrency = 64
		s.queue.Fault = func(operation string) error {
			if operation == "receive" {
				receives.Add(1)
				most.Store(max(most.Load(), inFlight.Add(1)))
				time.Sleep(answer)
				inFlight.Add(-1)
			}
			return nil
		}
	}, func(s *queueFixture) {
		for i := range objects {
			s.put(fmt.Sprintf("in/%04d", i), "A")
		}
		start := time.Now()
		for len(s.store.Keys()) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if alone := objects / queue.MaxMessages * answer; time.Since(start) > alone/3 {
			t.Errorf("took %s; sequential receives take %s", time.Since(start), alone)
		}
		if n := most.Load(); n != maxReceives {
			t.Errorf("%d receives in flight", n)
		}
		before := receives.Load()
		time.Sleep(5 * time.Minute)
		if n := receives.Load() - before; n > 5*60/20+maxReceives {
			t.Errorf("%d receives from an empty queue", n)
		}
	})
}

// TestOnceIgnoresHints: Once lists and does not ask the queue.
func TestOnceIgnoresHints(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	store.Put("a", film("A", "x"))
	w := newTestWorker(store, db, func(o *Options) {
		o.Hints.Queue = &queuetest.Memory{Fault: func(string) error { t.Error("the queue is asked"); return nil }}
	})
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
}

// TestFailedCommitIsNoFailureOfTheQueue: a commit that fails ends the pass and cancels its
// receives; the queue is not to blame, and the bucket is not listed.
func TestFailedCommitIsNoFailureOfTheQueue(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
		time.Sleep(5 * time.Second)
		fails := 1
		s.db.fault = func(movie.Batch, bool) error {
			if fails--; fails >= 0 {
				return errors.New("database away")
			}
			return nil
		}
		lists := s.store.Counts().Lists
		s.put("in/a", "A")
		time.Sleep(20 * time.Second)
		if n := s.counted(s.worker.metrics.receiveFailures); n > 0 || s.store.Counts().Lists != lists {
			t.Errorf("%v receives failed, %d listings", n, s.store.Counts().Lists-lists)
		}
	})
}
