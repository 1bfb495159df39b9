package s3bucket

import (
	"net/http"
	"sync"
	"time"
)

// firstLimit is the limit before the first answers.
const firstLimit = 64

// limiter finds out how many reads of objects should be in flight, from the store's
// answers, as TCP does (RFC 5681). It decides each time when it has seen as many reads,
// begun under the present limit, as that limit is:
//
//  1. If the store refused or broke off one, or if they took twice as long as the fastest
//     ones, the limit shrinks by a quarter: more reads would only wait.
//  2. If about as many were in flight as the limit allows, and they took hardly longer than
//     the fastest ones, the limit doubles. After its first decrease it grows by a sixteenth.
//  3. If they are slow at the least limit, too, the store has become slower, and these are
//     the fastest ones from now on.
//
// The limiter holds up no request: the worker begins no more reads than the limit.
type limiter struct {
	least, most int

	mu       sync.Mutex
	limit    int
	inFlight int
	fastest  time.Duration // average time of the fastest answers; 0 if unknown
	shrunk   bool          // the limit has decreased before
	recent   recent
}

// recent is what the limiter has seen since its last decision.
type recent struct {
	since             time.Time
	answers, refusals int
	took              time.Duration // of all answers
	full              bool          // three quarters of the limit were in flight
}

func newLimiter(least, most int) *limiter {
	l := &limiter{least: min(least, most), most: most}
	l.set(firstLimit)
	return l
}

// observe sends a request, and learns from the answer if it is a read of an object. A nil
// limiter only sends it.
func (l *limiter) observe(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if l == nil || !isRead(r) {
		return send(r)
	}
	l.begin()
	begin := time.Now()
	response, err := send(r)
	switch {
	case err != nil && r.Context().Err() != nil: // given up
		l.end(begin, 0, false)
	case err != nil, response.StatusCode == http.StatusTooManyRequests, response.StatusCode >= http.StatusInternalServerError:
		l.end(begin, 0, true)
	default:
		l.end(begin, time.Since(begin), false)
	}
	return response, err
}

// isRead reports whether a request reads an object; listings take longer.
func isRead(r *http.Request) bool {
	q := r.URL.Query()
	return r.Method == http.MethodGet && !q.Has("list-type") && !q.Has("versions")
}

func (l *limiter) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight++; 4*l.inFlight >= 3*l.limit {
		l.recent.full = true
	}
}

// end records the end of a read: how long its answer took, 0 if there was none.
func (l *limiter) end(begin time.Time, took time.Duration, refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	switch {
	case begin.Before(l.recent.since):
		return
	case refused:
		l.recent.refusals++
	case took > 0:
		l.recent.answers++
		l.recent.took += took
	}
	if l.recent.answers+l.recent.refusals >= l.limit {
		l.decide()
	}
}

func (l *limiter) decide() {
	average := l.fastest
	if l.recent.answers > 0 {
		average = l.recent.took / time.Duration(l.recent.answers)
		if l.fastest == 0 || l.limit == l.least || average < l.fastest {
			l.fastest = average
		}
	}
	next := l.limit
	switch {
	case l.recent.refusals > 0, average > 2*l.fastest:
		next, l.shrunk = l.limit*3/4, true
	case !l.recent.full, average > l.fastest*3/2:
	case l.shrunk:
		next = l.limit + l.limit/16
	default:
		next = 2 * l.limit
	}
	l.set(next)
}

func (l *limiter) set(limit int) {
	l.limit, l.recent = min(max(limit, l.least), l.most), recent{since: time.Now()}
}

func (l *limiter) current() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}
