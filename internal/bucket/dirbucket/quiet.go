package dirbucket

import (
	"io/fs"
	"sync"
	"time"
)

// quietness judges whether a file may still be being written.
type quietness struct {
	limit time.Duration
	now   func() time.Time

	mu sync.Mutex
	// future holds files whose time lies ahead, by copying or by a wrong clock:
	// their age says nothing, so they are watched.
	future map[string]sighting
}

// sighting is a file as it was seen unchanged between two moments.
type sighting struct {
	etag        string
	first, last time.Time
}

// settling tells whether the file has changed less than the limit ago, or may
// have.
func (q *quietness) settling(key string, info fs.FileInfo) bool {
	now := q.now()
	age := now.Sub(info.ModTime())
	if age >= 0 {
		return age < q.limit
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	seen, known := q.future[key]
	if !known || seen.etag != etag(info) {
		seen = sighting{etag: etag(info), first: now}
	}
	seen.last = now
	q.future[key] = seen
	return now.Sub(seen.first) < q.limit
}

// forget drops the files that were not seen since the moment given.
func (q *quietness) forget(since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, seen := range q.future {
		if seen.last.Before(since) {
			delete(q.future, key)
		}
	}
}
