package s3bucket

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// simulated is a store that answers after about the latency, works on capacity requests at a
// time if that is set, and refuses requests beyond a rate if that is set. Every run is the same:
// each read draws from a random stream of its own, and the reads that begin at the same moment
// ask for the rate in order, whatever the order of their goroutines.
type simulated struct {
	latency  time.Duration
	capacity int
	rate     *rate.Limiter
	fails    float64 // share of requests that are refused at random
	requests int
	slots    chan struct{}
	refused  atomic.Int64
}

// allows reports whether the rate allows one more request.
func (s *simulated) allows() bool { return s.rate == nil || s.rate.Allow() }

func (s *simulated) send(allowed bool, random *rand.Rand) (*http.Response, error) {
	if !allowed || random.Float64() < s.fails {
		s.refused.Add(1)
		s.wait(random)
		return &http.Response{StatusCode: http.StatusServiceUnavailable}, nil
	}
	if s.capacity > 0 {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	s.wait(random)
	return &http.Response{StatusCode: http.StatusOK}, nil
}

// wait waits for the latency, which is sometimes many times longer than the shortest.
func (s *simulated) wait(random *rand.Rand) {
	time.Sleep(s.latency/2 + time.Duration(random.ExpFloat64()*float64(s.latency)/2))
}

// read reads objects, as many at a time as the limiter says. Each is asked for again, after a
// pause, until the store does not refuse. It returns the average limit of the second half.
func (s *simulated) read(t *testing.T, l *limiter) (average int) {
	t.Helper()
	s.slots = make(chan struct{}, max(s.capacity, 1))
	var mu sync.Mutex
	room := sync.NewCond(&mu)
	inside, sum := 0, 0
	var reads sync.WaitGroup
	defer reads.Wait()
	mu.Lock()
	defer mu.Unlock()
	for left := s.requests; left > 0; left-- {
		for inside >= l.current() {
			room.Wait()
		}
		inside++
		if left <= s.requests/2 {
			sum += l.current()
		}
		allowed, random := s.allows(), rand.New(rand.NewPCG(1, uint64(left)))
		reads.Go(func() {
			for pause := 25 * time.Millisecond; !s.get(t, l, allowed, random); pause = min(2*pause, 20*time.Second) {
				time.Sleep(time.Duration(random.Int64N(int64(pause))))
				allowed = s.allows()
			}
			mu.Lock()
			defer mu.Unlock()
			inside--
			room.Signal()
		})
	}
	return sum / (s.requests / 2)
}

// get asks for an object once and reports whether the store did not refuse.
func (s *simulated) get(t *testing.T, l *limiter, allowed bool, random *rand.Rand) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/bucket/key", nil)
	if err != nil {
		t.Error(err)
		return true
	}
	response, err := l.observe(r, func(*http.Request) (*http.Response, error) { return s.send(allowed, random) })
	if err != nil {
		t.Error(err)
		return true
	}
	return response.StatusCode == http.StatusOK
}

func TestLimiter(t *testing.T) {
	for name, test := range map[string]struct {
		store       *simulated
		least, most int // of the limit, on average in the second half
		refused     int // per cent
	}{
		"grows while answers come as fast as before": {&simulated{latency: 100 * time.Millisecond, requests: 5000}, 512, 512, 0},
		"stays where more requests only wait longer": {&simulated{latency: time.Millisecond, capacity: 32, requests: 20_000}, 64, 80, 0},
		"grows to what the store allows":             {&simulated{latency: 50 * time.Millisecond, rate: rate.NewLimiter(2000, 2000/20), requests: 40_000}, 85, 125, 5},
		"shrinks to what the store allows":           {&simulated{latency: 50 * time.Millisecond, rate: rate.NewLimiter(600, 600/20), requests: 20_000}, 24, 37, 5},
		"hardly asks for more at the start":          {&simulated{latency: 50 * time.Millisecond, rate: rate.NewLimiter(600, 600/20), requests: 2000}, 16, 37, 5},
		"never shrinks below the least":              {&simulated{latency: 50 * time.Millisecond, rate: rate.NewLimiter(330, 330/20), requests: 5000}, 16, 20, 8},
		"stays where the store fails at any rate":    {&simulated{latency: 50 * time.Millisecond, fails: 0.5, requests: 20_000}, 56, 80, 110},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(512)
				got := test.store.read(t, l)
				t.Logf("the limit is %d, %d refused", got, test.store.refused.Load())
				if got < test.least || got > test.most {
					t.Errorf("the limit is %d, want %d to %d", got, test.least, test.most)
				}
				if refused := 100 * int(test.store.refused.Load()) / test.store.requests; refused > test.refused {
					t.Errorf("%d %% were refused, want %d at most", refused, test.refused)
				}
			})
		})
	}
}

// TestLimiterFollows: the limit falls back when the store refuses reads, and grows again later.
func TestLimiterFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(512)
		fast := &simulated{latency: 50 * time.Millisecond, requests: 20_000}
		if got := fast.read(t, l); got != 512 {
			t.Errorf("the limit is %d where all goes well", got)
		}
		limited := &simulated{latency: 50 * time.Millisecond, rate: rate.NewLimiter(1000, 1000/20), requests: 10_000}
		if got := limited.read(t, l); got < 32 || got > 64 {
			t.Errorf("the limit is %d where the store allows 50", got)
		}
		if got := fast.read(t, l); got < 400 {
			t.Errorf("the limit is %d when all is well again", got)
		}
	})
}

// TestLimiterCountsFailures: reads that fail without an answer count as refused; those that the
// worker gives up, and requests that read no object, do not. All are counted off again.
func TestLimiterCountsFailures(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }
	for _, test := range []struct {
		ctx         context.Context
		method, url string
		want        int
	}{
		{t.Context(), http.MethodGet, "http://s3.test/bucket/key", LeastConcurrency},
		{cancelled, http.MethodGet, "http://s3.test/bucket/key", 512},
		{t.Context(), http.MethodGet, "http://s3.test/bucket?list-type=2", 512},
		{t.Context(), http.MethodGet, "http://s3.test/bucket?versions", 512},
		{t.Context(), http.MethodDelete, "http://s3.test/bucket/key", 512},
	} {
		l := newLimiter(512)
		l.starting = false
		l.set(512, 512)
		l.recent.earlier = 0
		for range 1024 {
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

// TestLimiterCollapse: the limit falls again where a store that serves some reads at a time
// refuses all of more.
func TestLimiterCollapse(t *testing.T) {
	l := newLimiter(512)
	for range 10_000 {
		n := l.current()
		for range n {
			l.begin()
		}
		for range n {
			if n <= 100 {
				l.end(20*time.Millisecond, false)
			} else {
				l.end(0, true)
			}
		}
	}
	if got := l.current(); got > 100 {
		t.Errorf("the limit is %d where a store serves 100", got)
	}
}
