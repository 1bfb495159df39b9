package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/queue"
)

func TestIgnoredMessagesAreDeleted(t *testing.T) {
	withQueue(t, func(s *queueFixture) { s.store.Put("in/dir/", nil) }, func(s *queueFixture) {
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
		if s.counted(s.worker.metrics.ignored) != 6 || s.counted(s.worker.metrics.deleted) != 7 {
			t.Errorf("%d ignored, %d deleted", s.counted(s.worker.metrics.ignored), s.counted(s.worker.metrics.deleted))
		}
	})
}

// TestMarkerThatBecameAnObject: an object may have overwritten the empty folder marker of a
// message, so the worker reads the key before it deletes the message.
func TestMarkerThatBecameAnObject(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
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

// TestMessageStaysUntilAllObjectsAreSettled: a message that names several objects is deleted
// after the last of them.
func TestMessageStaysUntilAllObjectsAreSettled(t *testing.T) {
	var repaired atomic.Bool
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Key == "in/b" && !repaired.Load() {
				return errFault
			}
			return nil
		}
	}, func(s *queueFixture) {
		for _, key := range []string{"in/a", "in/b", "in/c"} {
			s.store.Put(key, film(key, "x"))
		}
		s.queue.Send(notification("in/a", "in/b", "in/c", "in/gone"))
		time.Sleep(10 * time.Second)
		if !slices.Equal(s.store.Keys(), []string{"in/b"}) || s.queue.Len() != 1 {
			t.Errorf("in the bucket: %q, %d messages", s.store.Keys(), s.queue.Len())
		}
		repaired.Store(true)
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

// TestMessageStaysWhenTheCatalogueIsAway: message and object stay, and are settled when the
// catalogue is back.
func TestMessageStaysWhenTheCatalogueIsAway(t *testing.T) {
	var back atomic.Bool
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Delete && !back.Load() {
				t.Error("deleted before it was committed")
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.db.setFault(errFault)
		s.put("in/a", "A")
		time.Sleep(time.Minute)
		if len(s.store.Keys()) != 1 || s.queue.Len() != 1 || s.worker.Ready(t.Context()) == nil {
			t.Errorf("in the bucket: %q, %d messages, ready: %v", s.store.Keys(), s.queue.Len(), s.worker.Ready(t.Context()))
		}
		back.Store(true)
		s.db.setFault(nil)
		time.Sleep(3 * time.Minute)
		checkEmpty(t, s.store)
		if s.queue.Len() != 0 || s.worker.Ready(t.Context()) != nil {
			t.Errorf("%d messages are left, ready: %v", s.queue.Len(), s.worker.Ready(t.Context()))
		}
	})
}

// TestMessageNotUnderstood: a listing soon finds the object that it may name, but unusable
// messages make listings no more frequent than every IdleMax.
func TestMessageNotUnderstood(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
		time.Sleep(2 * time.Minute)
		s.store.Put("in/a", film("A", "x"))
		s.queue.Send(`{"what": "is this?"}`)
		time.Sleep(30 * time.Second)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 || s.counted(s.worker.metrics.notUnderstood) != 1 {
			t.Errorf("%d messages are left, %d counted", n, s.counted(s.worker.metrics.notUnderstood))
		}
		before := s.store.Counts().Lists
		for range 600 {
			s.queue.Send("garbage")
			time.Sleep(time.Second)
		}
		if n := s.store.Counts().Lists - before; n < 5 || n > 15 {
			t.Errorf("%d listings in ten minutes of unusable messages", n)
		}
	})
}

// TestIgnoredMessagesCauseNoListing: messages of other buckets, keys or events cause none.
func TestIgnoredMessagesCauseNoListing(t *testing.T) {
	withQueue(t, func(*queueFixture) {}, func(s *queueFixture) {
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

// TestKeyAsWritten: if the decoded key does not exist, the worker tries the key as written,
// also if the store denies access to missing keys.
func TestKeyAsWritten(t *testing.T) {
	for _, missing := range []error{bucket.ErrNotFound, bucket.ErrDenied} {
		withQueue(t, func(s *queueFixture) {
			s.store.Fault = func(op buckettest.Op) error {
				if op.Kind == buckettest.Get && (op.Key == "in/a b.json" || op.Key == "in/c d") {
					return missing
				}
				return nil
			}
		}, func(s *queueFixture) {
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

// TestDeniedObjectOfAMessage: a store may deny access to missing keys. The message is deleted
// after some denials, and a listing finds the object if it exists.
func TestDeniedObjectOfAMessage(t *testing.T) {
	var denied atomic.Bool
	withQueue(t, func(s *queueFixture) {
		denied.Store(true)
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && denied.Load() {
				return bucket.ErrDenied
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.queue.Send(notification("in/gone"))
		s.queue.Send(notification("in/there"))
		s.store.Put("in/there", film("A", "x"))
		time.Sleep(5 * time.Minute)
		if n := s.queue.Len(); n != 0 || s.counted(s.worker.metrics.givenUp) != 2 {
			t.Errorf("%d messages are left, %d given up", n, s.counted(s.worker.metrics.givenUp))
		}
		denied.Store(false)
		time.Sleep(5 * time.Minute)
		checkEmpty(t, s.store)
	})
}

// TestDeniedKeyAsWritten: an object that is denied is not taken for gone because another spelling of
// its key is.
func TestDeniedKeyAsWritten(t *testing.T) {
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && op.Key == "in/a b.json" {
				return bucket.ErrDenied
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.queue.Send(strings.ReplaceAll(notification("in/k"), "in%2Fk", "in/a+b.json"))
		time.Sleep(10 * time.Second)
		if n := s.queue.Len(); n != 1 || s.counted(s.worker.metrics.readFailures) == 0 {
			t.Errorf("%d messages are left, %d failures", n, s.counted(s.worker.metrics.readFailures))
		}
		time.Sleep(5 * time.Minute)
		if n := s.queue.Len(); n != 0 || s.counted(s.worker.metrics.givenUp) != 1 {
			t.Errorf("%d messages are left, %d given up", n, s.counted(s.worker.metrics.givenUp))
		}
	})
}

// TestSomeMessagesAreNotDeleted: a queue that refuses some messages is asked for the others.
func TestSomeMessagesAreNotDeleted(t *testing.T) {
	for _, refusal := range []error{queue.ErrSome, errors.New("away")} {
		var asked atomic.Int32
		withQueue(t, func(s *queueFixture) {
			s.queue.Fault = func(operation string) error {
				if operation == "delete" && asked.Add(1) == 1 {
					return refusal
				}
				return nil
			}
			s.store.Fault = func(op buckettest.Op) error {
				if op.Kind == buckettest.Get && !op.Applied {
					time.Sleep(2 * time.Second)
				}
				return nil
			}
			s.options.Concurrency = 1
		}, func(s *queueFixture) {
			for i := range 5 {
				s.queue.Send(notification(fmt.Sprint("in/", i)))
			}
			time.Sleep(15 * time.Second)
			if n := asked.Load(); (n > 2) != errors.Is(refusal, queue.ErrSome) {
				t.Errorf("%v: asked %d times", refusal, n)
			}
		})
	}
}

// TestUnreachableObjectOfAMessage: an outage does not count as a denial.
func TestUnreachableObjectOfAMessage(t *testing.T) {
	withQueue(t, func(s *queueFixture) {
		s.store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get {
				return errFault
			}
			return nil
		}
	}, func(s *queueFixture) {
		s.put("in/a", "A")
		time.Sleep(time.Hour)
		if n := s.queue.Len(); n != 1 {
			t.Errorf("%d messages are left", n)
		}
	})
}

// TestLossyQueue: with messages lost, repeated and delayed, all objects are read in the end.
func TestLossyQueue(t *testing.T) {
	withQueue(t, func(s *queueFixture) {
		s.queue.Random = rand.New(rand.NewPCG(1, 2))
		s.queue.Lose, s.queue.Repeat, s.queue.Delay = 200, 200, time.Minute
	}, func(s *queueFixture) {
		for i := range 500 {
			s.put(fmt.Sprint("in/", i%400), fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(12 * time.Minute)
		checkEmpty(t, s.store)
		if n := s.queue.Len(); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		if n := len(s.db.shows()); n < 400 {
			t.Errorf("%d movies", n)
		}
	})
}

// openBodies counts the bodies that are read at the same time behind their beginning.
type openBodies struct {
	*buckettest.Memory
	open, most atomic.Int64
}

func (s *openBodies) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	o, body, err := s.Memory.Get(ctx, key)
	if err != nil {
		return o, body, err
	}
	return o, &openBody{ReadCloser: body, store: s}, nil
}

// raise makes a value n if it is smaller.
func raise(value *atomic.Int64, n int64) {
	for old := value.Load(); n > old && !value.CompareAndSwap(old, n); old = value.Load() {
	}
}

type openBody struct {
	io.ReadCloser
	store   *openBodies
	reads   int
	counted bool
}

func (b *openBody) Read(p []byte) (int, error) {
	if b.reads++; b.reads > 1 && !b.counted { // the first read takes a few bytes
		b.counted = true
		raise(&b.store.most, b.store.open.Add(1))
		time.Sleep(time.Second)
	}
	return b.ReadCloser.Read(p)
}

func (b *openBody) Close() error {
	if b.counted {
		b.store.open.Add(-1)
	}
	return b.ReadCloser.Close()
}

// TestMessageWithoutSize: few objects that take much memory are read at a time: compressed ones, and
// large ones of messages without a size, or with a wrong one.
func TestMessageWithoutSize(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(film("F", "x"))
	_ = z.Close()
	store := &openBodies{Memory: &buckettest.Memory{}}
	synctest.Test(t, func(t *testing.T) {
		for i := range 40 {
			store.Put(fmt.Sprint(i), packed.Bytes())
		}
		if err := newTestWorker(store, newFakeCatalogue(), func(o *Options) { o.Concurrency = 20 }).Once(t.Context()); err != nil {
			t.Error(err)
		}
		if n := store.most.Load(); n != unexpectedAtOnce {
			t.Errorf("%d small compressed objects read at a time, want %d", n, unexpectedAtOnce)
		}
	})
	for _, size := range []string{`, "size": 200000`, ``, `, "size": "200000"`, `, "size": 7`} {
		var store *openBodies
		withQueue(t, func(s *queueFixture) {
			store = &openBodies{Memory: s.store}
			s.options.Store, s.options.Concurrency = store, 64
		}, func(s *queueFixture) {
			for i := range 64 {
				key := fmt.Sprintf("in/%d", i)
				s.store.Put(key, append(bytes.Repeat([]byte(" "), largeObject), film(key, "x")...))
				s.queue.Send(fmt.Sprintf(`{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "films"}, "object": {"key": %q%s}}}]}`, key, size))
			}
			time.Sleep(2 * time.Minute)
			if most, left := store.most.Load(), len(s.store.Keys()); most < 2 || most > largeAtOnce || left > 0 {
				t.Errorf("size%s: %d read at a time, %d left", size, most, left)
			}
		})
	}
}
