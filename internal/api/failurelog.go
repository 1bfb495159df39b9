package api

import (
	"context"
	"log/slog"
	"time"
)

// remindEvery is the interval at which a lasting failure is logged again.
const remindEvery = time.Minute

// failureLog logs when something begins to fail, again while it still fails, and when it
// succeeds.
type failureLog struct {
	logger          *slog.Logger
	now             func() time.Time
	fails, succeeds string
	logged          time.Time // when the failure was last logged; zero while there is none
}

// note takes the outcome of one attempt.
func (r *failureLog) note(ctx context.Context, err error) {
	switch {
	case err == nil && r.logged.IsZero(), ctx.Err() != nil:
	case err == nil:
		r.logger.Info(r.succeeds)
		r.logged = time.Time{}
	case r.now().Sub(r.logged) >= remindEvery:
		r.logger.Warn(r.fails, "error", err)
		r.logged = r.now()
	}
}
