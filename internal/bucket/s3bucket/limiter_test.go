package s3bucket

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// simulated is a store that answers after latency, works on capacity requests at a time if
// that is set, and refuses requests beyond a rate if that is set.
type simulated struct {
	latency         time.Duration
	capacity        int
	tenths          int64 // requests allowed in a tenth of a second
	requests        int
	slots           chan struct{}
	refused         atomic.Int64
	mu              sync.Mutex
	tenth, accepted int64
}

// allows reports whether the rate allows one more request now.
func (s *simulated) allows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now().UnixMilli() / 100; now != s.tenth {
		s.tenth, s.accepted = now, 0
	}
	s.accepted++
	return s.tenths == 0 || s.accepted <= s.tenths
}

func (s *simulated) send(*http.Request) (*http.Response, error) {
	if !s.allows() {
		s.refused.Add(1)
		time.Sleep(s.latency)
		return &http.Response{StatusCode: http.StatusServiceUnavailable}, nil
	}
	if s.capacity > 0 {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	time.Sleep(s.latency)
	return &http.Response{StatusCode: http.StatusOK}, nil
}

// read sends requests, as many at a time as the limiter says, and again where the store
// refuses.
func (s *simulated) read(t *testing.T, l *limiter) {
	t.Helper()
	s.slots = make(chan struct{}, max(s.capacity, 1))
	var mu sync.Mutex
	room := sync.NewCond(&mu)
	inFlight, left := 0, s.requests
	var readers sync.WaitGroup
	for range 512 {
		readers.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for left > 0 {
				if inFlight >= l.current() {
					room.Wait()
					continue
				}
				inFlight++
				left--
				mu.Unlock()
				read := s.get(t, l)
				mu.Lock()
				inFlight--
				if !read {
					left++
				}
				room.Broadcast()
			}
		})
	}
	readers.Wait()
}

// get reads an object once and reports whether the store did not refuse.
func (s *simulated) get(t *testing.T, l *limiter) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/bucket/key", nil)
	if err != nil {
		t.Error(err)
		return true
	}
	response, err := l.observe(r, s.send)
	if err != nil {
		t.Error(err)
		return true
	}
	return response.StatusCode == http.StatusOK
}

func TestLimiter(t *testing.T) {
	for name, test := range map[string]struct {
		store       *simulated
		least, most int // of the limit in the end
	}{
		"grows while answers come as fast as before": {&simulated{latency: 100 * time.Millisecond, requests: 5000}, 512, 512},
		"stays where more requests only wait longer": {&simulated{latency: time.Millisecond, capacity: 32, requests: 20_000}, 48, 160},
		"shrinks where the store refuses":            {&simulated{latency: 50 * time.Millisecond, tenths: 200, requests: 40_000}, 60, 140},
		"never shrinks below the least":              {&simulated{latency: 10 * time.Millisecond, tenths: 20, requests: 500}, 16, 24},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(16, 512)
				test.store.read(t, l)
				if got := l.current(); got < test.least || got > test.most {
					t.Errorf("the limit is %d, want %d to %d", got, test.least, test.most)
				}
				refused := 100 * test.store.refused.Load() / int64(test.store.requests)
				if t.Logf("the limit is %d, %d %% were refused", l.current(), refused); test.store.tenths == 200 && refused > 10 {
					t.Errorf("%d %% were refused", refused)
				}
			})
		})
	}
}

// TestLimiterFollows: the limit shrinks when the store becomes slower under load, and grows
// again later.
func TestLimiterFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(16, 512)
		fast := &simulated{latency: 50 * time.Millisecond, requests: 20_000}
		fast.read(t, l)
		limited := &simulated{latency: 50 * time.Millisecond, tenths: 100, requests: 5000}
		limited.read(t, l)
		if got := l.current(); got > 80 {
			t.Errorf("the limit is %d where 50 are allowed", got)
		}
		fast.read(t, l)
		if got := l.current(); got < 400 {
			t.Errorf("the limit is %d when all is well again", got)
		}
	})
}

// TestLimiterCountsFailures: reads that fail without an answer shrink the limit; those that
// the worker gives up, and requests that read no object, do not. All are counted off again.
func TestLimiterCountsFailures(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }
	for _, test := range []struct {
		ctx         context.Context
		method, url string
		want        int
	}{
		{t.Context(), http.MethodGet, "http://s3.test/bucket/key", 48},
		{cancelled, http.MethodGet, "http://s3.test/bucket/key", 64},
		{t.Context(), http.MethodGet, "http://s3.test/bucket?list-type=2", 64},
		{t.Context(), http.MethodGet, "http://s3.test/bucket?versions", 64},
		{t.Context(), http.MethodDelete, "http://s3.test/bucket/key", 64},
	} {
		l := newLimiter(16, 512)
		for range 64 {
			r, err := http.NewRequestWithContext(test.ctx, test.method, test.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.observe(r, broken); err == nil {
				t.Fatal("no error")
			}
		}
		if got := l.current(); got != test.want || l.inFlight != 0 {
			t.Errorf("%s %s: the limit is %d, %d in flight, want %d and 0", test.method, test.url, got, l.inFlight, test.want)
		}
	}
}
