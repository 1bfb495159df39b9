package s3bucket

import (
	"net/http"
	"sync"
	"time"
)

// LeastConcurrency is the least that Bucket.Concurrency returns, if Options.Concurrency is not
// less.
const LeastConcurrency = 16

const (
	// startLimit is the limit at which the start ends.
	startLimit = 64
	// tolerated is the share of refusals that every store has at times.
	tolerated = 0.05
	// trialPause is how many windows pass after a trial that did not help, at most.
	trialPause = 32
)

// limiter finds out how many reads of objects should be in flight, from the store's answers.
//
// In the start each answer raises the limit by one, up to startLimit, as in TCP's slow start.
// It ends early when a store that has hardly refused any read refuses one, which halves the
// limit.
//
// Then the limiter looks at windows of as many reads as the limit is (64 at least; twice as
// many once the store has refused one, or the limit has been found), and tries another limit
// in the next window:
//
//  1. If the store refuses more reads than tolerated, it tries as few as the store allowed.
//     This helps if the store then refuses no more than tolerated, or half as many as before:
//     a store that fails at any rate would only be read more slowly.
//  2. Else, if about all allowed reads were in flight, it tries twice as many, and a half more
//     once more have not helped or reads were refused. This helps if the store refuses hardly
//     more, and if an answer takes longer by less than a third of what the limit grows by: else
//     more reads only wait. If the store refuses many at any rate, the limit does not pass
//     startLimit.
//
// A trial that did not help is undone, at once if the store refuses many, and repeated later.
//
// The limiter holds up no request: the worker begins no more reads than the limit.
type limiter struct {
	least, most int

	mu       sync.Mutex
	starting bool
	limit    int
	before   int // limit of the window before
	inFlight int
	recent   window
	previous window
	found    bool // more have not helped, or the store has refused reads

	untilMore, untilLess int // windows until the next trial of more reads, and of less
	lessPause            int // windows after the next trial of less that does not help
}

// window counts the reads that end under one limit.
type window struct {
	earlier           int // reads that began under the limit before; not counted
	answers, refusals int
	took              time.Duration // of all answers
	full              bool          // three quarters of the limit were in flight
}

// refused returns the share of refusals.
func (w window) refused() float64 {
	return float64(w.refusals) / float64(max(w.answers+w.refusals, 1))
}

// average returns the average time of an answer in seconds.
func (w window) average() float64 { return w.took.Seconds() / float64(max(w.answers, 1)) }

func newLimiter(most int) *limiter {
	least := min(LeastConcurrency, most)
	return &limiter{least: least, most: most, limit: least, before: least, starting: true, lessPause: 1}
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
		l.end(0, false)
	case err != nil, response.StatusCode == http.StatusTooManyRequests, response.StatusCode >= http.StatusInternalServerError:
		l.end(0, true)
	default:
		l.end(time.Since(begin), false)
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
func (l *limiter) end(took time.Duration, refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	w := &l.recent
	switch {
	case l.starting:
		l.start(took > 0, refused)
		return
	case w.earlier > 0:
		if took > 0 || refused {
			w.earlier--
		}
		return
	case refused:
		w.refusals++
	case took > 0:
		w.answers++
		w.took += took
	}
	enough := max(l.limit, startLimit)
	if l.found || w.refusals > 0 { // the differences are small
		enough *= 2
	}
	onTrial := l.limit > l.before
	if w.answers+w.refusals >= enough || onTrial && float64(w.refusals) > l.refusable()*float64(enough) {
		l.decide()
	}
}

func (l *limiter) start(answered, refused bool) {
	w, end := &l.recent, min(startLimit, l.most)
	calm := w.answers >= l.least && 10*w.refusals <= w.answers
	switch {
	case refused:
		w.refusals++
	case answered:
		w.answers++
		l.limit = min(l.least+w.answers, end)
	}
	switch {
	case refused && calm:
		l.starting, l.found = false, true
		half := max(l.limit/2, l.least)
		l.set(half, half)
	case l.limit == end:
		l.starting, l.previous = false, *w
		l.set(end, max(end/2, l.least)) // the end is on trial
	}
}

func (l *limiter) decide() {
	seen, next := l.recent, l.limit
	l.untilMore, l.untilLess = max(l.untilMore-1, 0), max(l.untilLess-1, 0)
	switch ratio := float64(l.limit) / float64(l.before); {
	case ratio > 1 && !seen.full: // the worker had no more to read
		l.set(l.before, l.before)
		return
	case ratio > 1 && (seen.refused() > l.refusable() || l.previous.took > 0 && seen.average() > l.previous.average()*(1+(ratio-1)/3)):
		l.found, l.untilMore = true, trialPause
		l.set(l.before, l.before)
		return
	case ratio < 1 && seen.refused() > max(tolerated, l.previous.refused()/2):
		l.untilLess, l.lessPause = l.lessPause, min(4*l.lessPause, trialPause)
		l.set(l.before, l.before)
		return
	}
	refused := seen.refused() > tolerated
	switch {
	case refused && l.untilLess == 0 && l.limit > l.least:
		l.found = true
		next = max(int(0.9*float64(l.limit)*(1-seen.refused())), l.least)
	case !seen.full, l.untilMore > 0, refused && l.limit >= startLimit:
	case l.found:
		next += next / 2
	default:
		next *= 2
	}
	if refused && next > l.limit {
		next = min(next, startLimit)
	}
	l.previous = seen
	l.set(min(next, l.most), l.limit)
}

// refusable returns the share of reads that the store may refuse where a trial of more helps.
func (l *limiter) refusable() float64 { return l.previous.refused() + tolerated }

// set begins a window. The limit is on trial if it was another one before.
func (l *limiter) set(limit, before int) {
	l.recent = window{}
	if limit != l.limit {
		l.recent.earlier = l.limit
	}
	l.limit, l.before = limit, before
}

func (l *limiter) current() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}
