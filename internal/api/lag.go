package api

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"
)

// lag measures how far the replica that answers are read from is behind its primary. It
// asks in a goroutine of its own, so that a silent primary does not stop the watcher from
// reading the replica.
type lag struct {
	missing func(context.Context) (since time.Time, err error)
	now     func() time.Time

	asked chan struct{} // closed after the first question to the primary
	once  sync.Once

	began time.Time

	mu    sync.Mutex
	shown time.Time // the replica shows all changes committed before; zero if that is not known
}

func newLag(missing func(context.Context) (time.Time, error), now func() time.Time) *lag {
	return &lag{missing: missing, now: now, began: now(), asked: make(chan struct{})}
}

// askLag is the interval between questions: Age counts seconds.
const askLag = 500 * time.Millisecond

// follow asks until ctx is done. While the primary is away, the replica is still read, and
// the age grows because nobody knows what is missing: it counts from the last answer, or from
// the newest change that the replica has.
func (l *lag) follow(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(askLag)
	defer ticker.Stop()
	log := failureLog{logger: logger, now: l.now, fails: "how far the replica is behind is not known", succeeds: "how far the replica is behind is known again"}
	for {
		_, err := l.look(ctx)
		log.note(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look asks once and reports whether the replica lacks changes.
func (l *lag) look(ctx context.Context) (behind bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	defer l.once.Do(func() { close(l.asked) })
	shown := l.now()
	var since time.Time
	if err := guard(func() (err error) { since, err = l.missing(ctx); return err }); err != nil {
		l.has(since)
		return false, err
	}
	if behind = !since.IsZero(); behind && since.Before(shown) {
		shown = since
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = shown
	return behind, nil
}

// has records the newest change that the replica has. One from the future tells nothing.
func (l *lag) has(newest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if newest.After(l.shown) && newest.Before(l.now()) {
		l.shown = newest
	}
}

// wait waits until the primary was asked, successfully or not. Before, responses would
// seem fresh.
func (l *lag) wait(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case <-l.asked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// age is the greatest possible age of the state on the replica, as far as it is known; 0
// without a replica.
func (l *lag) age() time.Duration {
	if l == nil {
		return 0
	}
	now := l.now()
	return now.Sub(l.showsAt(now))
}

// showsAt returns the time up to which the database that is read shows all commits, as far as
// it is known now.
func (l *lag) showsAt(now time.Time) time.Time {
	if l == nil {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if shown := cmp.Or(l.shown, l.began); shown.Before(now) {
		return shown
	}
	return now
}
