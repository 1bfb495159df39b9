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

// lookTimeout bounds one read of the revision, and the silence of the index's source. A
// slower database counts as away, and responses carry their age.
const lookTimeout = 3 * time.Second

// watcher follows the catalogue's revision and updates the index, so that requests need
// not ask the database:
//
// watch calls begin twice per staleness; begin shares one ask among all callers; ask reads
// the database and updates the index; learn stores the result.
//
// state and peek return the current state; reach waits for a revision; unmoved guards what
// was made of a state.
type watcher struct {
	feed      Feed
	mirror    *index.Mirror // nil when the index is off
	logger    *slog.Logger
	staleness time.Duration
	now       func() time.Time
	lag       *lag // nil without a replica
	// renewed is called at each new state, with mu locked.
	renewed func()
	// looking shares one look among all who want one. Two concurrent looks could return in
	// the wrong order, and the revision would go back.
	looking singleflight.Group

	mu       sync.Mutex
	current  state     // its ages are not set
	seen     time.Time // when the database last confirmed current
	shows    time.Time // current has all changes committed before
	moved    chan struct{}
	replaced int64 // replacements at current
}

// state is the catalogue as the watcher last saw it.
type state struct {
	revision int64
	text     []string     // the revision as a header value
	index    *index.Index // the catalogue at that revision; nil when the index is off
	// number identifies the state: after a restore, another state may have the same
	// revision.
	number uint64
	// restores counts how often the catalogue was replaced, as by an older copy of it.
	restores uint64
	// confirmed is the time since the database confirmed the state.
	confirmed time.Duration
	// age is the greatest possible age of the state: confirmed, and before that the lag of
	// the replica.
	age   time.Duration
	moved <-chan struct{} // closed at the next state; nil before the first one
}

// watch follows the revision until ctx is done. It looks twice per staleness, because a
// look takes time too.
func (w *watcher) watch(ctx context.Context) {
	if w.lag.wait(ctx) != nil {
		return
	}
	ticker := time.NewTicker(max(w.staleness/2, time.Millisecond))
	defer ticker.Stop()
	log := failureLog{logger: w.logger, now: w.now, fails: "the catalogue cannot be read", succeeds: "the catalogue can be read again"}
	for {
		select {
		case result := <-w.begin(ctx):
			log.note(ctx, result.Err)
		case <-ctx.Done(): // a look that a request began goes on, perhaps loading the index
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks the database. It returns early when loading the index takes longer than
// requests wait; the load goes on.
func (w *watcher) look(ctx context.Context) error {
	patience := time.NewTimer(lookTimeout)
	defer patience.Stop()
	for again := false; ; again = true {
		select {
		case result := <-w.begin(context.WithoutCancel(ctx)):
			if errors.Is(result.Err, context.Canceled) && !again {
				continue // canceled by watch, which shared the look and has ended
			}
			return result.Err
		case <-patience.C:
			return w.loading()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loading returns why a look takes so long.
func (w *watcher) loading() error {
	if w.mirror != nil {
		if p := w.mirror.Progress(); p.Loading {
			return loading(p)
		}
	}
	return errSlow
}

// begin starts a look, or joins the one in flight.
func (w *watcher) begin(ctx context.Context) <-chan singleflight.Result {
	return w.looking.DoChan("", func() (any, error) {
		return nil, guard(func() error { return w.ask(ctx) })
	})
}

func (w *watcher) ask(ctx context.Context) error {
	asked := w.now()
	shows := w.lag.showsAt(asked) // a replica may catch up while the index is updated
	if w.mirror != nil {
		if err := w.mirror.Follow(ctx); err != nil {
			return err
		}
		x := w.mirror.Index()
		w.learn(x.Revision(), x, asked, shows)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revision, err := w.feed.Revision(ctx)
	if err == nil {
		w.learn(revision, nil, asked, shows)
	}
	return err
}

// learn stores the result of a look: a confirmation of the current state, or a new state.
func (w *watcher) learn(revision int64, x *index.Index, asked, shows time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.shows = asked, shows
	before := w.current
	if before.moved != nil && revision == before.revision && x == before.index {
		return
	}
	if w.moved != nil {
		close(w.moved)
	}
	w.moved = make(chan struct{})
	w.current = state{
		revision: revision, text: []string{strconv.FormatInt(revision, 10)}, index: x, number: before.number + 1, restores: before.restores, moved: w.moved,
	}
	if n := w.replacements(); n != w.replaced || revision < before.revision {
		w.replaced = n
		w.current.restores++
	}
	w.renewed()
}

// state returns the current state. Before the first one, it asks the database.
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

// peek returns the current state; its moved is nil before the first one.
func (w *watcher) peek() state {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.current
	if s.moved != nil {
		now := w.now()
		s.confirmed, s.age = now.Sub(w.seen), now.Sub(w.shows)
	}
	return s
}

// errBehind answers a client that has seen a revision that this replica lacks.
var errBehind = errors.New("the replica does not have that revision yet")

var errSlow = errors.New("the database does not answer in time")

// reach returns a state that has at least a revision: the client may have seen more at
// another process.
func (w *watcher) reach(ctx context.Context, revision int64) (state, error) {
	s, err := w.state(ctx)
	if err != nil || revision <= s.revision {
		return s, err
	}
	s, err = w.newer(ctx, func(s state) bool { return revision <= s.revision })
	if err == nil && revision > s.revision {
		err = beyond(revision, s.revision)
	}
	return s, err
}

// replacements returns how often the index was loaded because the catalogue was another one.
func (w *watcher) replacements() int64 {
	if w.mirror == nil {
		return 0
	}
	return w.mirror.Replaced()
}

// gone returns 410 for a client that waits while the catalogue is replaced by an older copy:
// what comes then may be other changes with the same revisions. Another replica may only be
// behind, and catch up.
func (w *watcher) gone(ctx context.Context, revision int64) (state, error) {
	s, err := w.reach(ctx, revision)
	if err == nil && w.lag == nil {
		err = replaced
	}
	return s, err
}

// newer looks at the database until a state is enough, at most twice: the first look may
// have started before the request did. It returns errBehind with a state that is not enough
// if the replica lacks commits.
func (w *watcher) newer(ctx context.Context, enough func(state) bool) (s state, err error) {
	for range 2 {
		err = w.look(ctx)
		if s = w.peek(); err != nil || enough(s) {
			return s, err
		}
	}
	if w.lag == nil {
		return s, nil
	}
	behind, err := w.lag.look(ctx)
	if err == nil && behind {
		err = errBehind
	}
	return s, err
}

// unmoved runs do if the state is still the current one, so that nothing stale is cached.
func (w *watcher) unmoved(since state, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current.number == since.number {
		do()
	}
}
