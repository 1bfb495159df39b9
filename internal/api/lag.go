package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// lag follows how far a replica, which answers are read from, is behind its
// primary. It asks apart from the watcher: a primary that does not answer must not
// keep that from seeing what the replica has.
type lag struct {
	missing func(context.Context) (since time.Time, err error)
	now     func() time.Time

	asked chan struct{} // closed when the primary was asked for the first time
	once  sync.Once

	mu    sync.Mutex
	shown time.Time // all that was committed until then is shown
}

func newLag(missing func(context.Context) (time.Time, error), now func() time.Time) *lag {
	return &lag{missing: missing, now: now, shown: now(), asked: make(chan struct{})}
}

// askLag is how often the primary is asked: Age counts seconds.
const askLag = 500 * time.Millisecond

// follow asks until ctx is done. A primary that is away does not keep the replica
// from being read; the age grows, since nobody knows what is missing.
func (l *lag) follow(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(askLag)
	defer ticker.Stop()
	log := reminder{logger: logger, now: l.now, fails: "how far the replica is behind is not known", succeeds: "how far the replica is behind is known again"}
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

// look tells whether the replica misses anything.
func (l *lag) look(ctx context.Context) (behind bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	defer l.once.Do(func() { close(l.asked) })
	shown := l.now()
	var since time.Time
	if err := guard(func() (err error) { since, err = l.missing(ctx); return err }); err != nil {
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

// wait waits until the primary was asked, with or without success: else the first
// answers would seem fresh.
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

// age is how old what the replica shows may be; 0 without a replica.
func (l *lag) age() time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now().Sub(l.shown)
}
