package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/movie"
)

const (
	// heartbeat: a stream says that it lives this often.
	heartbeat = 15 * time.Second
	// writeTimeout is how long a client may take for the end of an answer.
	writeTimeout = 10 * time.Second
	// piece is how many changes are sent to a stream at once, at most.
	piece = 100
)

// stream sends changes as server-sent events until the client goes away: each
// with its revision as id, so that Last-Event-ID resumes; so does lastEventId, which
// clients send that cannot set headers.
func (a *API) stream(w http.ResponseWriter, r *http.Request, q changesQuery) error {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if wrong := setNumber(&q.since, last, 0, math.MaxInt64); wrong != "" {
			return &parameterError{parameter: "Last-Event-ID", detail: "Last-Event-ID " + wrong}
		}
	}
	s, err := a.watcher.reach(r.Context(), q.since)
	if err != nil {
		return err
	}
	f := follower{api: a, ctx: r.Context(), out: newPaced(w), state: s, since: q.since}
	// What is wrong at the start is still told by the status.
	if err := f.read(); err != nil {
		return err
	}
	defer f.release()
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	// A proxy that changes or buffers a stream holds back its events.
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Set("Catalogue-Revision", strconv.FormatInt(s.revision, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	takeTime(w, r, 0)
	if !f.follow() {
		panic(http.ErrAbortHandler) // a part of an event must not look like the end
	}
	return nil
}

// follower is one client of the stream.
type follower struct {
	api     *API
	ctx     context.Context // the request's
	out     *paced
	beat    *time.Ticker
	state   state
	since   int64   // the last change that was sent
	next    *answer // to be sent
	release func()  // gives back the room that it takes
}

// follow sends events, and heartbeats while there are none. It returns whether the
// stream ends between two events.
func (f *follower) follow() bool {
	f.beat = time.NewTicker(heartbeat)
	defer f.beat.Stop()
	defer f.out.end()
	if !f.write([]byte(": " + strconv.FormatInt(f.state.revision, 10) + "\n\n")) {
		return false
	}
	for len(f.next.body) == 0 || f.write(f.next.body) {
		if len(f.next.body) == 0 && f.state.revision > f.since {
			return true // the catalogue went back; the client comes again, and is told then
		}
		f.since = f.next.last
		f.drop()
		if ended, whole := f.wait(); ended {
			return whole
		}
		switch err := f.read(); {
		case errors.Is(err, movie.ErrPruned):
			return true // the client comes again, and is told then
		case err != nil:
			// The database is away: the missing changes are read after the next heartbeat,
			// and the client need not come again.
			f.next, f.release = &answer{last: f.since}, func() {}
			f.state.revision = f.since
		}
	}
	return false
}

// read gets the next events. An error leaves nothing to release.
func (f *follower) read() (err error) {
	f.next, f.release, err = f.api.room.hold(f.ctx, func() (*answer, error) { return f.api.events(f.ctx, f.state, f.since) })
	if err != nil {
		f.release = func() {}
	}
	return err
}

// drop forgets the events that were sent: a stream that waits keeps nothing.
func (f *follower) drop() {
	f.release()
	f.next, f.release = nil, func() {}
}

func (f *follower) write(b []byte) bool {
	_, err := f.out.Write(b)
	return err == nil && f.out.Flush() == nil
}

// wait waits until there is more to send, or the stream is to end; whole tells
// whether the client has got all until then.
func (f *follower) wait() (ended, whole bool) {
	behind := false
	for {
		select {
		case <-f.api.ending:
			return true, true
		case <-f.ctx.Done():
			return true, false
		default:
		}
		if f.state.revision > f.since {
			return false, true
		}
		select {
		case <-f.state.moved:
		case <-f.beat.C:
			// A catalogue that stays behind was restored from a copy: the client
			// comes again, and is told then.
			if behind && f.state.revision < f.since {
				return true, true
			}
			if !f.write([]byte(":\n\n")) {
				return true, false
			}
			behind = f.state.revision < f.since
		case <-f.api.ending:
		case <-f.ctx.Done():
		}
		f.state = f.api.watcher.peek()
	}
}

// events are the changes after a revision as server-sent events; all streams at
// the same place share them.
func (a *API) events(ctx context.Context, s state, since int64) (*answer, error) {
	found, _, err := a.get(ctx, s, "events?since="+strconv.FormatInt(since, 10), func(ctx context.Context) (*answer, error) {
		changes, err := a.readChanges(ctx, since, piece)
		if err != nil {
			return nil, err
		}
		events := &answer{last: since}
		for _, c := range changes {
			events.body = strconv.AppendInt(append(events.body, "id: "...), c.Revision, 10)
			events.body = a.appendChange(append(events.body, "\nevent: change\ndata: "...), c)
			events.body = append(events.body, "\n\n"...)
			events.last = c.Revision
		}
		return events, nil
	})
	return found, err
}
