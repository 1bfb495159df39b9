package dirbucket

import (
	"io/fs"
	"sync"
	"time"
)

// quietness decides whether a file may still be being written.
type quietness struct {
	limit time.Duration
	now   func() time.Time

	mu sync.Mutex
	// future holds the files whose time lies ahead, because of a copy or a wrong clock.
	// Their time does not tell their age, so their changes are observed: of mostFuture at a
	// time, since each takes memory. Others count as settling meanwhile.
	future map[string]sighting
}

const mostFuture = 100_000

// sighting is a file that was seen unchanged between two moments.
type sighting struct {
	etag        string
	first, last time.Time
}

// settling reports whether the file changed less than limit ago, or may have.
func (q *quietness) settling(key string, info fs.FileInfo) bool {
	now := q.now()
	age := now.Sub(info.ModTime())
	if age >= 0 {
		return age < q.limit+coarse(info.ModTime())
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	seen, known := q.future[key]
	if !known && len(q.future) >= mostFuture {
		return true
	}
	if !known || seen.etag != etag(info) {
		seen = sighting{etag: etag(info), first: now}
	}
	seen.last = now
	q.future[key] = seen
	return now.Sub(seen.first) < q.limit
}

// coarse returns by how much the time of a file may be too early: some file systems keep
// whole seconds, and FAT every second one.
func coarse(t time.Time) time.Duration {
	if t.Nanosecond() == 0 {
		return 2 * time.Second
	}
	return 0
}

// forget drops the files that were not seen since then.
func (q *quietness) forget(since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, seen := range q.future {
		if seen.last.Before(since) {
			delete(q.future, key)
		}
	}
}
