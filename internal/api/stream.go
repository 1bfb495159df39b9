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
	// writeTimeout: a client that takes nothing for that long is cut off.
	writeTimeout = 10 * time.Second
	// piece is how many changes are sent to a stream at once.
	piece = 100
)

// stream sends changes as server-sent events until the client goes away: each
// with its revision as id, so that Last-Event-ID resumes.
func (a *API) stream(w http.ResponseWriter, r *http.Request, q changesQuery) error {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if wrong := movie.SetNumber(&q.since, last, 0, math.MaxInt64); wrong != "" {
			return &movie.ParameterError{Parameter: "Last-Event-ID", Detail: "Last-Event-ID " + wrong}
		}
	}
	s, err := a.watcher.reach(r.Context(), q.since)
	if err != nil {
		return err
	}
	// What is wrong at the start is still told by the status.
	first, err := a.events(r.Context(), s, q.since)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("Catalogue-Revision", strconv.FormatInt(s.revision, 10))
	if r.Method == http.MethodHead {
		return nil
	}
	takeTime(w, r, 0)
	f := follower{api: a, ctx: r.Context(), out: w, control: http.NewResponseController(w), state: s}
	f.follow(first)
	return nil
}

// follower is one client of the stream.
type follower struct {
	api     *API
	ctx     context.Context // the request's
	out     http.ResponseWriter
	control *http.ResponseController
	beat    *time.Ticker
	state   state
	since   int64 // the last change that was sent
}

// follow sends events, and heartbeats while there are none.
func (f *follower) follow(next *answer) {
	f.beat = time.NewTicker(heartbeat)
	defer f.beat.Stop()
	// The last deadline may be over; the end of the body is to come through.
	defer func() { _ = f.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }()
	if !f.write([]byte(": " + strconv.FormatInt(f.state.revision, 10) + "\n\n")) {
		return
	}
	for len(next.body) == 0 || f.write(next.body) {
		f.since = next.last
		if !f.wait() {
			return
		}
		var err error
		next, err = f.api.events(f.ctx, f.state, f.since)
		if errors.Is(err, movie.ErrPruned) {
			return // the client comes again, and is told then
		}
		if err != nil {
			// The database is away: what is missing is read after the next
			// heartbeat, and the client need not come again.
			next = &answer{last: f.since}
			f.state.revision = f.since
		}
	}
}

func (f *follower) write(b []byte) bool {
	_ = f.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := f.out.Write(b)
	return err == nil && f.control.Flush() == nil
}

// wait waits until there is more to send; false when the stream is to end.
func (f *follower) wait() bool {
	behind := false
	for {
		select {
		case <-f.api.ending:
			return false
		case <-f.ctx.Done():
			return false
		default:
		}
		if f.state.revision > f.since {
			return true
		}
		select {
		case <-f.state.moved:
		case <-f.beat.C:
			// A catalogue that stays behind was restored from a copy: the client
			// comes again, and is told then.
			if behind && f.state.revision < f.since || !f.write([]byte(":\n\n")) {
				return false
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
	found, _, err := a.get(ctx, s, a.cache.lists, "events?since="+strconv.FormatInt(since, 10), func(ctx context.Context) (*answer, error) {
		changes, err := a.catalogue.Changes(ctx, since, piece)
		if err != nil {
			return nil, err
		}
		events := &answer{last: since}
		for _, c := range changes {
			events.body = strconv.AppendInt(append(events.body, "id: "...), c.Revision, 10)
			events.body = appendChange(append(events.body, "\nevent: change\ndata: "...), c)
			events.body = append(events.body, "\n\n"...)
			events.last = c.Revision
		}
		return events, nil
	})
	return found, err
}
