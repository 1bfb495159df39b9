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
	// heartbeat is the interval at which an idle stream sends a comment.
	heartbeat = 15 * time.Second
	// writeTimeout bounds the final write of an answer.
	writeTimeout = 10 * time.Second
	// piece is the most changes sent to a stream at once.
	piece = 100
)

// stream sends changes as server-sent events until the client disconnects. The id of an
// event is its revision, so Last-Event-ID resumes (HTML Standard, section 9.2). The
// parameter lastEventId does the same for clients that cannot set headers.
func (a *API) stream(w http.ResponseWriter, r *http.Request, q changesQuery) error {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if wrong := setNumber(&q.since, last, 0, math.MaxInt64); wrong != "" {
			return &parameterError{parameter: "Last-Event-ID", detail: "Last-Event-ID " + wrong}
		}
		q.name = "Last-Event-ID"
	}
	s, err := a.watcher.reach(r.Context(), q.since)
	if err != nil {
		return q.named(err)
	}
	s.index = nil // a client that is behind must not keep an old index
	f := follower{api: a, ctx: r.Context(), out: newPaced(w), state: s, restores: s.restores, since: q.since}
	// An error before the first event can still be reported by the status.
	if err := f.read(); err != nil {
		return q.named(err)
	}
	defer func() { f.release() }() // of the events that are pending then
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	// A proxy that transforms or buffers a stream delays its events.
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	header.Set("Catalogue-Revision", strconv.FormatInt(s.revision, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	extendDeadlines(w, r, 0)
	if !f.follow() {
		panic(http.ErrAbortHandler) // so that a cut event does not look like the end
	}
	return nil
}

// follower is one client of the stream.
type follower struct {
	api      *API
	ctx      context.Context // of the request
	out      *paced
	beat     *time.Ticker
	state    state
	restores uint64  // of the first state
	since    int64   // revision of the last change sent
	next     *answer // pending events
	release  func()  // releases the room that next takes
}

// follow sends events, and heartbeats while there are none. It reports whether the stream
// ended between two events.
func (f *follower) follow() bool {
	f.beat = time.NewTicker(heartbeat)
	defer f.beat.Stop()
	defer f.out.end()
	if !f.write([]byte(": " + strconv.FormatInt(f.state.revision, 10) + "\n\n")) {
		return false
	}
	for len(f.next.body) == 0 || f.write(f.next.body) {
		if len(f.next.body) == 0 && f.state.revision > f.since {
			return true // the catalogue was restored from a copy: the client reconnects and gets 410
		}
		f.since = f.next.last
		f.drop()
		if ended, whole := f.wait(); ended {
			return whole
		}
		switch err := f.read(); {
		case errors.Is(err, movie.ErrPruned):
			return true // the client reconnects and gets 410
		case err != nil:
			// The database is away. The missing changes are read after the next heartbeat,
			// so the client need not reconnect.
			f.next, f.release = &answer{last: f.since}, func() {}
			f.state.revision = f.since
		}
	}
	return false
}

// read reads the next events. After an error there is nothing to release.
func (f *follower) read() (err error) {
	f.next, f.release, err = f.api.room.hold(f.ctx, func() (*answer, error) { return f.api.events(f.ctx, f.state, f.since) })
	if err != nil {
		f.release = func() {}
	}
	return err
}

// drop releases the sent events, so that an idle stream holds no memory.
func (f *follower) drop() {
	f.release()
	f.next, f.release = nil, func() {}
}

func (f *follower) write(b []byte) bool {
	_, err := f.out.Write(b)
	return err == nil && f.out.Flush() == nil
}

// wait waits until there are changes to send or the stream has to end. whole reports
// whether everything so far was sent.
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
			// The events sent may be ahead of the state, but not for long.
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
		f.state.index = nil
		// The client reconnects, and gets 410 if the catalogue is still before its revision.
		if f.state.restores != f.restores {
			return true, true
		}
	}
}

// events returns the changes after a revision as server-sent events. Streams at the same
// revision share them.
func (a *API) events(ctx context.Context, s state, since int64) (*answer, error) {
	found, _, err := a.get(ctx, s, "events?since="+strconv.FormatInt(since, 10), func(ctx context.Context) (*answer, error) {
		changes, err := a.readChanges(ctx, s, since, piece)
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
