package worker

import (
	"sync"
	"sync/atomic"
	"time"
)

// deletes holds the requests in flight. They belong to the worker because they may outlive
// the pass that sent them.
type deletes struct {
	single, bulk chan struct{} // one slot for each request in flight
	gate         *gate         // of requests that delete one object
	running      sync.WaitGroup
	interrupted  atomic.Int64 // objects whose delete the shutdown interrupted

	mu   sync.Mutex
	keys map[string]keyInDelete
}

// keyInDelete is a key that requests in flight delete: more than one if a producer has
// written it again.
type keyInDelete struct {
	requests int
	modified time.Time
}

func newDeletes(concurrency int, atOnce func() int) *deletes {
	return &deletes{
		single: make(chan struct{}, concurrency), bulk: make(chan struct{}, bulkAtOnce), gate: newGate(atOnce),
		keys: make(map[string]keyInDelete),
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
