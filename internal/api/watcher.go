package api

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"jpmovies/internal/index"
)

// lookTimeout bounds the question for the revision, and how long a source of the index
// may be silent: a database that takes longer is as good as away, and answers must tell
// their age.
const lookTimeout = 3 * time.Second

// watcher follows the catalogue's revision, and with it the index, so that requests need
// not ask the database.
type watcher struct {
	feed      Feed
	mirror    *index.Mirror // nil when the index is off
	logger    *slog.Logger
	staleness time.Duration
	now       func() time.Time
	lag       *lag // nil without a replica
	// renewed is called at each new state, under the watcher's lock.
	renewed func()
	// looking: one look at a time, shared by all who want one. The answers of two
	// might cross, and the revision go back.
	looking singleflight.Group

	mu      sync.Mutex
	current state     // without its ages
	seen    time.Time // when the database last confirmed it
	moved   chan struct{}
}

// state is what the watcher knows.
type state struct {
	revision int64
	text     []string     // the revision as a header's value
	index    *index.Index // the catalogue at that revision; nil when the index is off
	// number tells states apart, also those of equal revisions before and after a restore.
	number uint64
	// confirmed is how long ago the database last said so.
	confirmed time.Duration
	// age is that, or how far the replica is behind, whichever is more.
	age   time.Duration
	moved <-chan struct{} // closed when there is a new state; nil when nothing is known
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
		result := <-w.begin(ctx)
		log.note(ctx, result.Err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks the database; others may be glad of the answer when ctx is done. Loading the
// index may take longer than requests wait.
func (w *watcher) look(ctx context.Context) error {
	patience := time.NewTimer(lookTimeout)
	defer patience.Stop()
	for again := false; ; again = true {
		select {
		case result := <-w.begin(context.WithoutCancel(ctx)):
			if errors.Is(result.Err, context.Canceled) && !again {
				continue // it may have been the watch's, which ends with the process
			}
			return result.Err
		case <-patience.C:
			return w.loading()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loading is why a look takes so long.
func (w *watcher) loading() error {
	if w.mirror != nil {
		if p := w.mirror.Progress(); p.Loading {
			return loading(p)
		}
	}
	return errSlow
}

// begin begins a look, or joins the one that has begun.
func (w *watcher) begin(ctx context.Context) <-chan singleflight.Result {
	return w.looking.DoChan("", func() (any, error) {
		return nil, guard(func() error { return w.ask(ctx) })
	})
}

func (w *watcher) ask(ctx context.Context) error {
	asked := w.now()
	if w.mirror != nil {
		if err := w.mirror.Follow(ctx); err != nil {
			return err
		}
		x := w.mirror.Index()
		w.learn(x.Revision(), x, asked)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revision, err := w.feed.Revision(ctx)
	if err == nil {
		w.learn(revision, nil, asked)
	}
	return err
}

// learn notes what the database has said: the same as before, or a new state.
func (w *watcher) learn(revision int64, x *index.Index, asked time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = asked
	before := w.current
	if before.moved != nil && revision == before.revision && x == before.index {
		return
	}
	if w.moved != nil {
		close(w.moved)
	}
	w.moved = make(chan struct{})
	w.current = state{
		revision: revision, text: []string{strconv.FormatInt(revision, 10)}, index: x, number: before.number + 1, moved: w.moved,
	}
	w.renewed()
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
	s := w.current
	if s.moved != nil {
		s.confirmed = w.now().Sub(w.seen)
		s.age = max(s.confirmed, w.lag.age())
	}
	return s
}

// errBehind: another process, which reads elsewhere, has shown more.
var errBehind = errors.New("the replica does not have that revision yet")

var errSlow = errors.New("the database does not answer in time")

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

// unmoved runs do if the state is still the current one: what was made of an older one
// must not be kept.
func (w *watcher) unmoved(since state, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current.number == since.number {
		do()
	}
}
