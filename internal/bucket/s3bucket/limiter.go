package s3bucket

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// firstLimit is the limit before the first answers.
const firstLimit = 64

// limiter bounds the requests in flight by a limit that follows the store's answers, as TCP
// does (RFC 5681). It decides each time when it has seen as many reads of objects, begun
// under the present limit, as that limit is:
//
//  1. If the store refused one because of the rate, or if they took twice as long as the
//     fastest ones, the limit shrinks by a quarter: more requests would only wait.
//  2. If all slots were used and they took hardly longer than the fastest ones, the limit
//     doubles. After its first decrease it grows by a sixteenth.
//  3. If they are slow at the least limit, too, the store has become slower, and these are
//     the fastest ones from now on.
//
// A nil limiter bounds nothing.
type limiter struct {
	least, most int
	free        chan struct{} // a token for each free slot

	mu      sync.Mutex
	limit   int
	slots   int           // free ones and those in use; above limit until enough requests have ended
	fastest time.Duration // average time of the fastest answers
	shrunk  bool          // the limit has decreased before
	recent  recent
}

// recent is what the limiter has seen since its last decision.
type recent struct {
	since             time.Time
	answers, refusals int
	took              time.Duration // of all answers
	waited            bool          // a request waited for a slot
}

func newLimiter(least, most int) *limiter {
	l := &limiter{least: min(least, most), most: most, free: make(chan struct{}, most)}
	l.set(firstLimit)
	return l
}

// do sends a request as soon as a slot is free.
func (l *limiter) do(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if l == nil {
		return send(r)
	}
	if err := l.acquire(r.Context()); err != nil {
		return nil, err
	}
	begin := time.Now()
	response, err := send(r)
	l.release(r, response, begin)
	return response, err
}

func (l *limiter) acquire(ctx context.Context) error {
	select {
	case <-l.free:
		return nil
	default:
	}
	l.mu.Lock()
	l.recent.waited = true
	l.mu.Unlock()
	select {
	case <-l.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release frees a slot. response is nil if the request failed.
func (l *limiter) release(r *http.Request, response *http.Response, begin time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case response == nil, begin.Before(l.recent.since):
	case response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusTooManyRequests:
		l.recent.refusals++
	case r.Method == http.MethodGet && response.StatusCode == http.StatusOK && isRead(r):
		l.recent.answers++
		l.recent.took += time.Since(begin)
	}
	if l.recent.answers+l.recent.refusals >= l.limit {
		l.decide()
	}
	if l.slots > l.limit {
		l.slots--
	} else {
		l.free <- struct{}{}
	}
}

// isRead reports whether a GET is of an object; listings take longer.
func isRead(r *http.Request) bool {
	q := r.URL.Query()
	return !q.Has("list-type") && !q.Has("versions")
}

func (l *limiter) decide() {
	average := l.recent.took / time.Duration(max(l.recent.answers, 1))
	if l.fastest == 0 || l.limit == l.least || average < l.fastest {
		l.fastest = average
	}
	next := l.limit
	switch {
	case l.recent.refusals > 0, average > 2*l.fastest:
		next, l.shrunk = l.limit*3/4, true
	case !l.recent.waited, average > l.fastest*3/2:
	case l.shrunk:
		next = l.limit + l.limit/16
	default:
		next = 2 * l.limit
	}
	l.set(next)
}

func (l *limiter) set(limit int) {
	l.limit, l.recent = min(max(limit, l.least), l.most), recent{since: time.Now()}
	for ; l.slots < l.limit; l.slots++ {
		l.free <- struct{}{}
	}
}

func (l *limiter) current() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}
