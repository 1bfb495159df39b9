package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// snapshotTimeout bounds the wait for the first rows of a snapshot: the server may have to
// sort them.
const snapshotTimeout = time.Minute

// patient is a source that ends a read when the database has been silent for too long. A
// whole load has no time limit, because reading all movies may take minutes.
type patient struct{ index.Source }

// Snapshot implements index.Source.
func (p patient) Snapshot(ctx context.Context, begin func(movie.Mark, int64) error, each func([]movie.State) error) error {
	l := listen(ctx, snapshotTimeout)
	defer l.end()
	err := p.Source.Snapshot(l.ctx, func(at movie.Mark, movies int64) error {
		return l.heard(func() error { return begin(at, movies) })
	}, func(s []movie.State) error { return l.heard(func() error { return each(s) }) })
	return l.explain(err)
}

// Since implements index.Source.
func (p patient) Since(ctx context.Context, mark movie.Mark, each func([]movie.State) error) (movie.Mark, error) {
	l := listen(ctx, lookTimeout)
	defer l.end()
	at, err := p.Source.Since(l.ctx, mark, func(s []movie.State) error { return l.heard(func() error { return each(s) }) })
	return at, l.explain(err)
}

// listener cancels ctx after a time without rows.
type listener struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	silence time.Duration
	timer   *time.Timer
}

func listen(ctx context.Context, silence time.Duration) *listener {
	l := &listener{silence: silence}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	l.timer = time.AfterFunc(silence, func() { l.cancel(errSlow) })
	return l
}

// heard runs do with received rows; do's own time does not count.
func (l *listener) heard(do func() error) error {
	l.timer.Stop()
	err := do()
	l.timer.Reset(l.silence)
	return err
}

func (l *listener) end() {
	l.timer.Stop()
	l.cancel(nil)
}

// explain returns err, or errSlow where that is why the read was canceled.
func (l *listener) explain(err error) error {
	if err != nil && errors.Is(context.Cause(l.ctx), errSlow) {
		return fmt.Errorf("%w: nothing for %s", errSlow, l.silence)
	}
	return err
}
