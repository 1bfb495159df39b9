package api

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// maxTouched is how many changed movies are dropped from the cache one by
	// one; with more of them, all are.
	maxTouched = 1000
	// lookTimeout bounds the question for the revision: a database that takes
	// longer for one row is as good as away, and answers must tell their age.
	lookTimeout = 3 * time.Second
)

// watcher follows the catalogue's revision, so that requests need not ask.
type watcher struct {
	feed      Feed
	logger    *slog.Logger
	staleness time.Duration
	now       func() time.Time
	lag       *lag // nil without a replica
	// touched is told of each new revision, and of the movies that changed; nil
	// means that any may have. It runs under the watcher's lock.
	touched func(ids []int64)
	// looking: one look at a time, shared by all who want one. The answers of two
	// might cross, and the revision go back.
	looking singleflight.Group

	mu       sync.Mutex
	revision int64
	text     []string // the revision as a header's value
	known    bool
	seen     time.Time     // when the database last confirmed the revision
	moved    chan struct{} // closed when there is a new revision
}

// state is what the watcher knows.
type state struct {
	revision int64
	text     []string // the revision as a header's value
	// confirmed is how long ago the database last said so.
	confirmed time.Duration
	// age is that, or how far the replica is behind, whichever is more.
	age   time.Duration
	moved <-chan struct{} // nil when nothing is known
}

// watch follows the revision until ctx is done. It looks twice as often as the
// staleness asks for: a look takes time, too.
func (w *watcher) watch(ctx context.Context) {
	if w.lag.wait(ctx) != nil {
		return
	}
	ticker := time.NewTicker(max(w.staleness/2, time.Millisecond))
	defer ticker.Stop()
	log := reminder{logger: w.logger, now: w.now, fails: "the catalogue cannot be read", succeeds: "the catalogue can be read again"}
	for {
		// A request may share the look, so the end of the process does not end it.
		log.note(ctx, w.look(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks the database; others may be glad of the answer when ctx is done.
func (w *watcher) look(ctx context.Context) error {
	select {
	case result := <-w.begin(context.WithoutCancel(ctx)):
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin begins a look, or joins the one that has begun.
func (w *watcher) begin(ctx context.Context) <-chan singleflight.Result {
	return w.looking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		return nil, guard(func() error { return w.ask(ctx) })
	})
}

func (w *watcher) ask(ctx context.Context) error {
	asked := w.now()
	revision, err := w.feed.Revision(ctx)
	if err != nil {
		return err
	}
	before, known := w.confirm(revision, asked)
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

// confirm notes that a revision still is the current one, if it is, and returns
// the one that is.
func (w *watcher) confirm(revision int64, asked time.Time) (current int64, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known && revision == w.revision {
		w.seen = asked
	}
	return w.revision, w.known
}

// move makes a revision the current one.
func (w *watcher) move(revision int64, asked time.Time, ids []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revision, w.known, w.seen = revision, true, asked
	w.text = []string{strconv.FormatInt(revision, 10)}
	w.touched(ids)
	close(w.moved)
	w.moved = make(chan struct{})
}

// state is what is known; before anything is, the database is asked.
func (w *watcher) state(ctx context.Context) (state, error) {
	if s := w.peek(); s.moved != nil {
		return s, nil
	}
	if err := w.lag.wait(ctx); err != nil {
		return state{}, err
	}
	if err := w.look(ctx); err != nil {
		return state{}, err
	}
	return w.peek(), nil
}

// peek is what is known, if anything is.
func (w *watcher) peek() state {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return state{}
	}
	confirmed := w.now().Sub(w.seen)
	return state{w.revision, w.text, confirmed, max(confirmed, w.lag.age()), w.moved}
}

// errBehind: another process, which reads elsewhere, has shown more.
var errBehind = errors.New("the replica does not have that revision yet")

// reach makes sure that the catalogue has a revision: another process may have
// seen more of it.
func (w *watcher) reach(ctx context.Context, revision int64) (state, error) {
	s, err := w.state(ctx)
	// The first look may have begun before us, the second did not.
	for range 2 {
		if err != nil || revision <= s.revision {
			return s, err
		}
		if err = w.look(ctx); err == nil {
			s = w.peek()
		}
	}
	if err != nil || revision <= s.revision {
		return s, err
	}
	if w.lag != nil {
		switch behind, err := w.lag.look(ctx); {
		case err != nil:
			return s, err
		case behind:
			return s, errBehind
		}
	}
	return s, beyond(revision, s.revision)
}

// unmoved runs do if no change was seen since a state: then what was read in
// between is not outdated by one that touched has already been told of.
func (w *watcher) unmoved(since state, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved == since.moved {
		do()
	}
}
