package worker

import (
	"sync"
	"sync/atomic"
	"time"

	"jpmovies/internal/bucket"
)

// overwritesKept is how many generations that a delete found overwritten are remembered.
const overwritesKept = 10_000

// deletes holds the requests in flight. They belong to the worker because they may outlive
// the pass that sent them.
type deletes struct {
	single, bulk chan struct{} // one slot for each request in flight
	running      sync.WaitGroup
	interrupted  atomic.Int64 // objects whose delete the shutdown interrupted

	mu          sync.Mutex
	keys        map[string]keyInDelete
	overwritten map[bucket.Ref]bool
}

// keyInDelete is a key that requests in flight delete: more than one if a producer writes
// it again meanwhile.
type keyInDelete struct {
	requests int
	modified time.Time
}

func newDeletes(concurrency int) *deletes {
	return &deletes{
		single: make(chan struct{}, concurrency), bulk: make(chan struct{}, bulkAtOnce),
		keys: make(map[string]keyInDelete), overwritten: make(map[bucket.Ref]bool),
	}
}

func (d *deletes) begin(objects []*objectInFlight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, object := range objects {
		d.keys[object.Key] = keyInDelete{d.keys[object.Key].requests + 1, object.modified}
	}
}

func (d *deletes) end(objects []*objectInFlight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, object := range objects {
		k := d.keys[object.Key]
		if k.requests--; k.requests == 0 {
			delete(d.keys, object.Key)
		} else {
			d.keys[object.Key] = k
		}
	}
}

// has reports whether a request in flight deletes the key.
func (d *deletes) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, found := d.keys[key]
	return found
}

// each calls do with the LastModified of each object that a request in flight deletes.
func (d *deletes) each(do func(modified time.Time)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.keys {
		do(k.modified)
	}
}

// foundOverwritten remembers that a delete found a generation overwritten, and reports
// whether one has before. Then the store is wrong: GET has returned the generation since.
func (d *deletes) foundOverwritten(ref bucket.Ref) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.overwritten[ref] {
		return true
	}
	if len(d.overwritten) == overwritesKept {
		clear(d.overwritten)
	}
	d.overwritten[ref] = true
	return false
}
