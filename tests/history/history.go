// Package history checks what clients of several API processes were answered while workers
// wrote, and processes and servers were killed. It needs no knowledge of the movies.
package history

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

// agedAfter is how far behind an answer without an Age header may be.
const agedAfter = 2 * time.Second

// Answer is one answer with status 200.
type Answer struct {
	// Process identifies one run of one API process.
	Process      string
	Path         string
	Began, Ended time.Time
	Revision     int64         // Catalogue-Revision
	Age          time.Duration // 0 without the header, which counts whole seconds
	Body         string        // or what identifies it
}

// History is a record of answers and commits. It is safe for concurrent use.
type History struct {
	slack time.Duration

	mu        sync.Mutex
	answers   int
	newest    int64            // highest revision of all answers
	committed steps            // by the time when it was known
	shown     map[string]steps // by process and the end of the answer
	bodies    map[place]Answer
	faults    []string
}

// place is where the same bytes are due.
type place struct {
	path     string
	revision int64
}

// New returns an empty history. slack is how far answers may be behind the commits, besides
// their age: the staleness, and the time in which a loaded machine notices anything.
func New(slack time.Duration) *History {
	return &History{slack: slack, shown: map[string]steps{}, bodies: map[place]Answer{}}
}

// steps is a revision that only grows: each entry is the time from which it was at least that.
type steps []step

type step struct {
	at       time.Time
	revision int64
}

// before returns the highest revision that was known before a time.
func (s steps) before(at time.Time) int64 {
	n := sort.Search(len(s), func(i int) bool { return !s[i].at.Before(at) })
	if n == 0 {
		return 0
	}
	return s[n-1].revision
}

// with adds a step in the order of times. Concurrent answers may come in any order.
func (s steps) with(at time.Time, revision int64) steps {
	n := sort.Search(len(s), func(i int) bool { return s[i].at.After(at) })
	if n > 0 && s[n-1].revision >= revision {
		return s
	}
	s = append(s, step{})
	copy(s[n+1:], s[n:])
	s[n] = step{at, revision}
	end := n + 1
	for end < len(s) && s[end].revision <= revision {
		end++
	}
	return append(s[:n+1], s[end:]...)
}

// Newest returns the highest revision that an answer has shown.
func (h *History) Newest() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// Committed records the revision that the database had at a time. It must not be less than
// newest, which the caller asked for before it asked the database: what an API showed is
// durable.
func (h *History) Committed(at time.Time, revision, newest int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if revision < newest {
		h.fault("the database has revision %d, but an API has shown %d before", revision, newest)
	}
	h.committed = h.committed.with(at, revision)
}

// Add checks an answer against the history, and adds it:
//
//  1. A process does not go back to an earlier revision.
//  2. An answer is no older than it says.
//  3. All processes give the same bytes at the same revision.
func (h *History) Add(a Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers++
	if before := h.shown[a.Process].before(a.Began); a.Revision < before {
		h.fault("%s shows revision %d after %d", a.Process, a.Revision, before)
	}
	h.shown[a.Process] = h.shown[a.Process].with(a.Ended, a.Revision)
	behind := h.slack + agedAfter
	if a.Age > 0 {
		behind = h.slack + a.Age + time.Second
	}
	if due := h.committed.before(a.Began.Add(-behind)); a.Revision < due {
		h.fault("%s shows revision %d with Age %v, though %d was committed %v before", a.Process, a.Revision, a.Age, due, behind)
	}
	at := place{a.Path, a.Revision}
	if first, ok := h.bodies[at]; !ok {
		h.bodies[at] = a
	} else if first.Body != a.Body {
		h.fault("%s and %s differ at revision %d: %s", first.Process, a.Process, a.Revision, a.Path)
	}
	h.newest = max(h.newest, a.Revision)
}

// Fault records what the caller has found to be wrong.
func (h *History) Fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault(format, args...)
}

func (h *History) fault(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// Result returns the number of answers, how many of them were at a place that another
// answer had been at, and all faults.
func (h *History) Result() (answers, compared int, faults []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers, h.answers - len(h.bodies), append([]string(nil), h.faults...)
}
