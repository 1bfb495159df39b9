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
	inFlight, most  atomic.Int64
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
	n := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
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

// read sends requests from many goroutines, again and again where the store refuses.
func (s *simulated) read(t *testing.T, l *limiter) {
	t.Helper()
	s.slots = make(chan struct{}, max(s.capacity, 1))
	todo := make(chan struct{}, s.requests)
	for range s.requests {
		todo <- struct{}{}
	}
	close(todo)
	var readers sync.WaitGroup
	for range 512 {
		readers.Go(func() {
			for range todo {
				for refused := true; refused; {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/bucket/key", nil)
					if err != nil {
						t.Error(err)
						return
					}
					response, err := l.do(r, s.send)
					if err != nil {
						t.Error(err)
						return
					}
					refused = response.StatusCode != http.StatusOK
				}
			}
		})
	}
	readers.Wait()
}

func TestLimiter(t *testing.T) {
	for name, test := range map[string]struct {
		store       *simulated
		least, most int // of the limit in the end
	}{
		"grows while answers come as fast as before": {&simulated{latency: 100 * time.Millisecond, requests: 5000}, 512, 512},
		"stays where more requests only wait longer": {&simulated{latency: time.Millisecond, capacity: 32, requests: 20_000}, 48, 160},
		"shrinks where the store refuses":            {&simulated{latency: 50 * time.Millisecond, tenths: 200, requests: 40_000}, 70, 110},
		"never shrinks below the least":              {&simulated{latency: 10 * time.Millisecond, tenths: 20, requests: 500}, 16, 24},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(16, 512)
				test.store.read(t, l)
				if got := l.current(); got < test.least || got > test.most {
					t.Errorf("the limit is %d, want %d to %d", got, test.least, test.most)
				}
				if most := test.store.most.Load(); most > 512 {
					t.Errorf("%d requests in flight", most)
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

// TestLimiterGivesSlotsBack: no slot is lost by errors, by cancelled requests and by a limit
// that shrinks while requests are in flight.
func TestLimiterGivesSlotsBack(t *testing.T) {
	l := newLimiter(1, 4)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.do(r, func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }); err == nil {
			t.Fatal("no error")
		}
		inside := func(*http.Request) (*http.Response, error) {
			l.mu.Lock()
			l.set(1)
			l.mu.Unlock()
			return nil, errors.New("broken")
		}
		if _, err := l.do(r, inside); err == nil {
			t.Fatal("no error")
		}
		l.mu.Lock()
		l.set(4)
		l.mu.Unlock()
	}
	for range 4 {
		if err := l.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.acquire(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("a fifth slot of four: %v", err)
	}
}
