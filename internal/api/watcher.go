package api

import (
	"context"
	"sync"
	"time"
)

// maxTouched is how many changed movies are dropped from the cache one by one;
// with more of them, all are.
const maxTouched = 1000

// watcher follows the catalogue's revision, so that requests need not ask.
type watcher struct {
	feed      Feed
	staleness time.Duration
	now       func() time.Time
	// touched is told of each new revision, and of the movies that changed; nil
	// means that any may have. It runs under the watcher's lock.
	touched func(ids []int64)

	mu       sync.Mutex
	revision int64
	known    bool
	seen     time.Time     // when the database last confirmed the revision
	moved    chan struct{} // closed when there is a new revision
}

// state is what the watcher knows.
type state struct {
	revision int64
	// age is how long the database has not confirmed it.
	age   time.Duration
	moved <-chan struct{}
}

// watch follows the revision until ctx is done.
func (w *watcher) watch(ctx context.Context) {
	ticker := time.NewTicker(w.staleness)
	defer ticker.Stop()
	for {
		_ = w.look(ctx) // the age of what is known tells, and readiness does
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks the database.
func (w *watcher) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	asked := w.now()
	revision, err := w.feed.Revision(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	before, known := w.revision, w.known
	if known && revision == before {
		w.seen = asked
	}
	w.mu.Unlock()
	if known && revision == before {
		return nil
	}
	var ids []int64
	if known && revision > before {
		if touched, all, err := w.feed.Touched(ctx, before, revision, maxTouched); err != nil {
			return err
		} else if all {
			ids = touched
		}
	}
	w.move(revision, asked, ids)
	return nil
}

// move makes a revision the current one.
func (w *watcher) move(revision int64, asked time.Time, ids []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revision, w.known, w.seen = revision, true, asked
	w.touched(ids)
	close(w.moved)
	w.moved = make(chan struct{})
}

// state is what is known; before anything is, the database is asked.
func (w *watcher) state(ctx context.Context) (state, error) {
	w.mu.Lock()
	known := w.known
	w.mu.Unlock()
	if !known {
		if err := w.look(ctx); err != nil {
			return state{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return state{w.revision, w.now().Sub(w.seen), w.moved}, nil
}

// unmoved runs do if the revision still is the one given: what was read since
// then is not outdated by a change that touched has already been told of.
func (w *watcher) unmoved(revision int64, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.revision == revision {
		do()
	}
}
