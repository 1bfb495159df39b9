package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/queue"
	"jpmovies/internal/queue/queuetest"
)

// stage is a worker with a queue, while it runs.
type stage struct {
	*Worker
	store *buckettest.Memory
	to    *catalogue
	queue *queuetest.Memory
	stop  func() error
}

// onStage runs test with a worker in a bubble. Its first listing is over when test
// begins.
func onStage(t *testing.T, prepare func(*stage), test func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{store: &buckettest.Memory{}, to: newCatalogue(), queue: &queuetest.Memory{}}
		s.Worker = newTestWorker(s.store, s.to)
		s.Hints = Hints{Queue: s.queue, Scope: queue.Scope{Bucket: "films", Prefix: "in/"}, Reconcile: 10 * time.Minute}
		prepare(s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
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

func (s *stage) put(key, title string) {
	s.store.Put(key, film(title, "x"))
	s.queue.Send(notification(key))
}

func (s *stage) counted(c prometheus.Counter) int { return int(testutil.ToFloat64(c)) }

func TestHintIsReadAtOnce(t *testing.T) {
	onStage(t, func(s *stage) { s.store.Put("in/before", film("A", "x")) }, func(s *stage) {
		time.Sleep(5 * time.Second) // in the middle of a long poll
		s.put("in/one +é", "B")
		time.Sleep(3 * time.Second)
		if len(s.to.shows()) != 2 {
			t.Errorf("movies: %v", s.to.shows())
		}
		time.Sleep(5 * time.Minute)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if got := s.store.Counts(); got.Lists != 1 || got.Gets != 2 {
			t.Errorf("bucket operations: %+v", got)
		}
		if s.counted(s.metrics.received) != 1 || s.counted(s.metrics.deleted) != 1 || s.counted(s.metrics.ignored) != 0 {
			t.Error("metrics of messages are wrong")
		}
		if last := s.to.reports[len(s.to.reports)-1]; time.Since(last.LastPass) > hintWait+time.Second {
			t.Errorf("the last report is %s old", time.Since(last.LastPass))
		}
	})
}

// TestReconcile: an object whose message was lost is found by the next listing.
func TestReconcile(t *testing.T) {
	onStage(t, func(*stage) {}, func(s *stage) {
		s.store.Put("in/lost", film("A", "x"))
		time.Sleep(9 * time.Minute)
		if len(s.store.Keys()) != 1 {
			t.Error("who told?")
		}
		time.Sleep(90 * time.Second)
		checkEmpty(t, s.store)
		if n := s.store.Counts().Lists; n != 2 {
			t.Errorf("%d listings, want 2", n)
		}
	})
}

func TestIgnoredMessagesAreDeleted(t *testing.T) {
	onStage(t, func(s *stage) { s.store.Put("in/dir/", nil) }, func(s *stage) {
		for _, body := range []string{
			"no JSON", `{"Event": "s3:TestEvent"}`, notification("out/a"), notification("in/" + bucket.ProbePrefix + "x"),
			strings.ReplaceAll(notification("in/a"), "films", "others"), strings.ReplaceAll(notification("in/a"), "ObjectCreated", "ObjectRemoved"),
			strings.ReplaceAll(notification("in/dir/"), `"size": 9`, `"size": 0`),
		} {
			s.queue.Send(body)
		}
		time.Sleep(5 * time.Second)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := s.store.Counts().Gets; n != 1 { // of the marker, which may be an object by now
			t.Errorf("%d reads", n)
		}
		if s.counted(s.metrics.ignored) != 6 || s.counted(s.metrics.deleted) != 7 {
			t.Errorf("%d ignored, %d deleted", s.counted(s.metrics.ignored), s.counted(s.metrics.deleted))
		}
	})
}

// TestMarkerThatBecameAnObject: a message of an empty folder marker may also tell of
// what has overwritten it, so the object is looked at before the message goes.
func TestMarkerThatBecameAnObject(t *testing.T) {
	onStage(t, func(*stage) {}, func(s *stage) {
		time.Sleep(5 * time.Second) // after the first listing
		s.store.Put("in/dir/", film("A", "x"))
		s.queue.Send(strings.ReplaceAll(notification("in/dir/"), `"size": 9`, `"size": 0`))
		time.Sleep(5 * time.Second)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 || s.store.Counts().Lists != 1 {
			t.Errorf("%d messages are left, %d listings", n, s.store.Counts().Lists)
		}
	})
}

// TestMessageStaysUntilAllIsSettled: one that names several objects is deleted
// after the last of them.
func TestMessageStaysUntilAllIsSettled(t *testing.T) {
	var mended atomic.Bool
	onStage(t, func(s *stage) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Key == "in/b" && !mended.Load() {
				return errFault
			}
			return nil
		}
	}, func(s *stage) {
		for _, key := range []string{"in/a", "in/b", "in/c"} {
			s.store.Put(key, film(key, "x"))
		}
		s.queue.Send(notification("in/a", "in/b", "in/c", "in/gone"))
		time.Sleep(10 * time.Second)
		if !slices.Equal(s.store.Keys(), []string{"in/b"}) || s.queue.Len() != 1 {
			t.Errorf("in the bucket: %q, %d messages", s.store.Keys(), s.queue.Len())
		}
		mended.Store(true)
		time.Sleep(40 * time.Second) // more than the visibility timeout
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := s.store.Counts().Lists; n != 1 {
			t.Errorf("%d listings, want 1", n)
		}
	})
}

// TestMessageStaysWhenTheCatalogueIsAway: also its object, and both are settled
// when it is back.
func TestMessageStaysWhenTheCatalogueIsAway(t *testing.T) {
	var back atomic.Bool
	onStage(t, func(s *stage) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Delete && !back.Load() {
				t.Error("deleted before it was committed")
			}
			return nil
		}
	}, func(s *stage) {
		s.to.setFault(errFault)
		s.put("in/a", "A")
		time.Sleep(time.Minute)
		if len(s.store.Keys()) != 1 || s.queue.Len() != 1 || s.Ready(t.Context()) == nil {
			t.Errorf("in the bucket: %q, %d messages, ready: %v", s.store.Keys(), s.queue.Len(), s.Ready(t.Context()))
		}
		back.Store(true)
		s.to.setFault(nil)
		time.Sleep(3 * time.Minute)
		checkEmpty(t, s.store)
		if s.queue.Len() != 0 || s.Ready(t.Context()) != nil {
			t.Errorf("%d messages are left, ready: %v", s.queue.Len(), s.Ready(t.Context()))
		}
	})
}

// TestHintsOfOneKey: a hint that comes while its object is in hand may tell of what
// came after. One read is enough for all of them.
func TestHintsOfOneKey(t *testing.T) {
	onStage(t, func(s *stage) {
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
	}, func(s *stage) {
		s.put("in/a", "A")
		time.Sleep(20 * time.Second)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if got := s.store.Counts(); got.Lists != 1 || got.Gets != 2 {
			t.Errorf("bucket operations: %+v", got)
		}
		if _, last := s.to.shows()["C 2000"]; !last {
			t.Errorf("movies: %v", s.to.shows())
		}
	})
}

// TestQueueAway: the worker lists as if there were no queue, and comes back to it.
func TestQueueAway(t *testing.T) {
	var away atomic.Bool
	onStage(t, func(s *stage) {
		away.Store(true)
		s.queue.Fault = func(string) error {
			if away.Load() {
				return errors.New("access denied")
			}
			return nil
		}
	}, func(s *stage) {
		s.put("in/a", "A")
		time.Sleep(2 * time.Minute)
		checkEmpty(t, s.store)
		lists, failures := s.store.Counts().Lists, s.counted(s.metrics.receiveFailures)
		if lists < 5 || lists > 20 || failures < 3 || failures > 10 {
			t.Errorf("%d listings, %d failures", lists, failures)
		}
		if err := s.Ready(t.Context()); err != nil {
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
	onStage(t, func(*stage) {}, func(s *stage) {
		time.Sleep(5 * time.Second)
		start := time.Now()
		if err := s.stop(); err != nil || time.Since(start) > 0 {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestMessagesInHandAreBounded: a slow store leaves the others in the queue.
func TestMessagesInHandAreBounded(t *testing.T) {
	onStage(t, func(s *stage) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && !op.Applied {
				time.Sleep(time.Minute)
			}
			return nil
		}
	}, func(s *stage) {
		for i := range 1000 {
			s.put(fmt.Sprint("in/", i), "A")
		}
		time.Sleep(time.Minute)
		if n := s.counted(s.metrics.received); n > 2*s.Concurrency+queue.MaxMessages {
			t.Errorf("%d messages in hand", n)
		}
		time.Sleep(10 * time.Hour)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

// TestAnswerOfTheQueueIsLost: what it named is found by a listing at once, and not
// only when the messages come again.
func TestAnswerOfTheQueueIsLost(t *testing.T) {
	var lost atomic.Bool
	onStage(t, func(s *stage) {
		s.queue.Fault = func(operation string) error {
			if operation == "receive" && lost.CompareAndSwap(true, false) {
				return errFault
			}
			return nil
		}
	}, func(s *stage) {
		lost.Store(true)
		s.put("in/a", "A")                  // ends the long poll, and the next receive fails
		s.store.Put("in/b", film("B", "x")) // what the lost messages told of
		time.Sleep(10 * time.Second)
		if keys := s.store.Keys(); lost.Load() || len(keys) > 0 {
			t.Errorf("left are %v, the fault is still to come: %v", keys, lost.Load())
		}
	})
}

// TestReceivesSideBySide: the time of an answer does not bound how many messages
// are taken, and no more is asked for than there is.
func TestReceivesSideBySide(t *testing.T) {
	const objects, answer = 2000, 50 * time.Millisecond
	var under, most, receives atomic.Int32
	onStage(t, func(s *stage) {
		s.Concurrency = 64
		s.queue.Fault = func(operation string) error {
			if operation == "receive" {
				receives.Add(1)
				most.Store(max(most.Load(), under.Add(1)))
				time.Sleep(answer)
				under.Add(-1)
			}
			return nil
		}
	}, func(s *stage) {
		for i := range objects {
			s.put(fmt.Sprintf("in/%04d", i), "A")
		}
		start := time.Now()
		for len(s.store.Keys()) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if alone := objects / queue.MaxMessages * answer; time.Since(start) > alone/3 {
			t.Errorf("%s; one receive after the other takes %s", time.Since(start), alone)
		}
		if n := most.Load(); n != maxReceives {
			t.Errorf("%d receives side by side", n)
		}
		before := receives.Load()
		time.Sleep(5 * time.Minute)
		if n := receives.Load() - before; n > 5*60/20+maxReceives {
			t.Errorf("%d receives when there is nothing", n)
		}
	})
}

// TestLossyQueue: whatever the queue does, all is read in the end.
func TestLossyQueue(t *testing.T) {
	onStage(t, func(s *stage) {
		s.queue.Random = rand.New(rand.NewPCG(1, 2))
		s.queue.Lose, s.queue.Repeat, s.queue.Delay = 200, 200, time.Minute
	}, func(s *stage) {
		for i := range 500 {
			s.put(fmt.Sprint("in/", i%400), fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(12 * time.Minute)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := len(s.to.shows()); n < 400 {
			t.Errorf("%d movies", n)
		}
	})
}

// TestOnceIgnoresHints: it lists.
func TestOnceIgnoresHints(t *testing.T) {
	store, to := &buckettest.Memory{}, newCatalogue()
	store.Put("a", film("A", "x"))
	w := newTestWorker(store, to)
	w.Hints.Queue = &queuetest.Memory{Fault: func(string) error { t.Error("the queue is asked"); return nil }}
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, store)
}

// TestMessageNotUnderstood: the object that it may tell of is found by a listing
// soon, and garbage makes listings no more frequent than that.
func TestMessageNotUnderstood(t *testing.T) {
	onStage(t, func(*stage) {}, func(s *stage) {
		time.Sleep(2 * time.Minute)
		s.store.Put("in/a", film("A", "x"))
		s.queue.Send(`{"what": "is this?"}`)
		time.Sleep(30 * time.Second)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 || s.counted(s.metrics.notUnderstood) != 1 {
			t.Errorf("%d messages are left, %d counted", n, s.counted(s.metrics.notUnderstood))
		}
		before := s.store.Counts().Lists
		for range 600 {
			s.queue.Send("garbage")
			time.Sleep(time.Second)
		}
		if n := s.store.Counts().Lists - before; n < 5 || n > 15 {
			t.Errorf("%d listings in ten minutes of garbage", n)
		}
	})
}

// TestIgnoredMessagesCauseNoListing: what is certainly of no concern is cheap.
func TestIgnoredMessagesCauseNoListing(t *testing.T) {
	onStage(t, func(*stage) {}, func(s *stage) {
		for range 100 {
			s.queue.Send(notification("out/a"))
			s.queue.Send(strings.ReplaceAll(notification("in/a"), "ObjectCreated", "ObjectRemoved"))
			time.Sleep(time.Second)
		}
		if n := s.store.Counts().Lists; n != 1 {
			t.Errorf("%d listings, want 1", n)
		}
	})
}

// TestKeyAsWritten: a key is tried as it was sent when its decoded form is not
// there, also where the store refuses what is not there.
func TestKeyAsWritten(t *testing.T) {
	for _, missing := range []error{bucket.ErrNotFound, bucket.ErrDenied} {
		onStage(t, func(s *stage) {
			s.store.Fault = func(op buckettest.Op) error {
				if op.Kind == buckettest.Get && (op.Key == "in/a b.json" || op.Key == "in/c d") {
					return missing
				}
				return nil
			}
		}, func(s *stage) {
			s.store.Put("in/a+b.json", film("A", "x"))
			s.store.Put("in/c+d", film("B", "x"))
			s.queue.Send(strings.ReplaceAll(notification("in/k"), "in%2Fk", "in/a+b.json"))
			s.queue.Send(`{"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name": "films"}, "object": {"key": "in/c+d", "size": 5}}}`)
			time.Sleep(5 * time.Second)
			checkEmpty(t, s.store)
			if n := s.queue.Len(); n != 0 || s.store.Counts().Lists != 1 {
				t.Errorf("%d messages are left, %d listings", n, s.store.Counts().Lists)
			}
		})
	}
}

// TestRefusedObjectOfAMessage: a store that may not say that a key is gone refuses
// it. The message does not come for ever, and an object that is there is found.
func TestRefusedObjectOfAMessage(t *testing.T) {
	var denied atomic.Bool
	onStage(t, func(s *stage) {
		denied.Store(true)
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && denied.Load() {
				return bucket.ErrDenied
			}
			return nil
		}
	}, func(s *stage) {
		s.queue.Send(notification("in/gone"))
		s.queue.Send(notification("in/there"))
		s.store.Put("in/there", film("A", "x"))
		time.Sleep(5 * time.Minute)
		if n := s.queue.Len(); n != 0 || s.counted(s.metrics.givenUp) != 2 {
			t.Errorf("%d messages are left, %d given up", n, s.counted(s.metrics.givenUp))
		}
		denied.Store(false)
		time.Sleep(5 * time.Minute)
		checkEmpty(t, s.store)
	})
}

// TestUnreachableObjectOfAMessage: an outage is no refusal.
func TestUnreachableObjectOfAMessage(t *testing.T) {
	onStage(t, func(s *stage) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get {
				return errFault
			}
			return nil
		}
	}, func(s *stage) {
		s.put("in/a", "A")
		time.Sleep(time.Hour)
		if n := s.queue.Len(); n != 1 {
			t.Errorf("%d messages are left", n)
		}
	})
}
