package api

import (
	"context"
	"log/slog"
	"time"
)

// remind is how often the log says that something still fails.
const remind = time.Minute

// reminder logs that something begins to fail, now and then that it still does, and
// that it succeeds again.
type reminder struct {
	logger          *slog.Logger
	now             func() time.Time
	fails, succeeds string
	logged          time.Time // when the log has last said that it fails; zero while it does not
}

// note takes the outcome of one try.
func (r *reminder) note(ctx context.Context, err error) {
	switch {
	case err == nil && r.logged.IsZero(), ctx.Err() != nil:
	case err == nil:
		r.logger.Info(r.succeeds)
		r.logged = time.Time{}
	case r.now().Sub(r.logged) >= remind:
		r.logger.Warn(r.fails, "error", err)
		r.logged = r.now()
	}
}
