package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"jpmovies/internal/movie"
)

// Limits of the change feed.
const (
	defaultChanges = 100
	maxChanges     = 1000
	maxWait        = time.Minute
	// A stream says that it lives this often, and a client that takes nothing for
	// that long is cut off.
	heartbeat    = 15 * time.Second
	writeTimeout = 10 * time.Second
)

// changesQuery is the query string of /changes.
type changesQuery struct {
	since int64
	limit int
	wait  time.Duration
}

var changesParameters = []movie.Parameter[changesQuery]{
	{Name: "since", Set: func(q *changesQuery, v string) string { return movie.SetNumber(&q.since, v, 0, math.MaxInt64) }},
	{Name: "limit", Set: func(q *changesQuery, v string) string { return movie.SetNumber(&q.limit, v, 1, maxChanges) }},
	{Name: "wait", Set: func(q *changesQuery, v string) string {
		wait, err := time.ParseDuration(v)
		if err != nil || wait < 0 || wait > maxWait {
			return fmt.Sprintf("is %q, expected a duration from 0s to %s, such as 30s", v, maxWait)
		}
		q.wait = wait
		return ""
	}},
}

// changes answers with the changes after a revision, in commit order, each with
// the movie as it is now; or waits for one; or streams them.
func (a *API) changes(w http.ResponseWriter, r *http.Request) error {
	q := changesQuery{limit: defaultChanges}
	given, err := movie.Parse(r.URL.RawQuery, changesParameters, &q)
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	if wants(r, "text/event-stream") {
		return a.stream(w, r, q)
	}
	takeTime(w, q.wait)
	s, err := a.waitForChange(r.Context(), q)
	if err != nil {
		return err
	}
	found, _, err := a.get(r.Context(), s, request{s.revision, fmt.Sprintf("/changes?limit=%d&since=%d", q.limit, q.since)},
		func(ctx context.Context) (*answer, error) {
			changes, err := a.catalogue.Changes(ctx, q.since, q.limit)
			if err != nil {
				return nil, err
			}
			body, last := appendChanges([]byte(`{"changes": [`), changes, q.since)
			return &answer{body: body, last: last}, nil
		})
	if err != nil {
		return err
	}
	given.Set("since", strconv.FormatInt(found.last, 10))
	return sendChanges(w, r, s, found, given)
}

func appendChanges(body []byte, changes []movie.Change, since int64) (page []byte, last int64) {
	last = since
	for i, c := range changes {
		body = appendChange(appendSeparator(body, i), c)
		last = c.Revision
	}
	return appendEnd(body, len(changes)), last
}

func appendChange(body []byte, c movie.Change) []byte {
	body = strconv.AppendInt(append(body, `{"revision": `...), c.Revision, 10)
	body = strconv.AppendInt(append(body, `, "id": `...), c.Row.ID, 10)
	body = append(body, `, "movie": `...)
	if c.Row.Fields == nil {
		return append(body, "null}"...)
	}
	return append(c.Row.AppendJSON(body), '}')
}

// sendChanges ends the page with its own parameters; the list is shared by all
// who ask for the same changes.
func sendChanges(w http.ResponseWriter, r *http.Request, s state, found *answer, next url.Values) error {
	link := "/changes?" + next.Encode()
	tail := fmt.Sprintf("\"revision\": %d,\n\"next_url\": \"%s\"}\n", found.last, link)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Catalogue-Revision", strconv.FormatInt(s.revision, 10))
	header.Set("Link", "<"+link+`>; rel="next"`)
	header.Set("Content-Length", strconv.Itoa(len(found.body)+len(tail)))
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(found.body) //nolint:gosec // JSON, and a client that went away need not be told
	_, _ = w.Write([]byte(tail))
	return nil
}

// takeTime lets an answer take longer than the server allows others. Without a
// read deadline, the connection is not taken for one that went silent.
func takeTime(w http.ResponseWriter, more time.Duration) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a writer without deadlines has none to lift
	_ = control.SetWriteDeadline(time.Now().Add(more + writeTimeout))
}

// waitForChange waits until there is a change after since, or the time is up.
func (a *API) waitForChange(ctx context.Context, q changesQuery) (state, error) {
	deadline := time.NewTimer(q.wait)
	defer deadline.Stop()
	for {
		s, err := a.watcher.state(ctx)
		if err != nil || q.wait == 0 || s.revision > q.since {
			return s, err
		}
		select {
		case <-s.moved:
		case <-deadline.C:
			return s, nil
		case <-a.ending:
			return s, nil
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// stream sends changes as server-sent events until the client goes away: each
// with its revision as id, so that Last-Event-ID resumes.
func (a *API) stream(w http.ResponseWriter, r *http.Request, q changesQuery) error {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if wrong := movie.SetNumber(&q.since, last, 0, math.MaxInt64); wrong != "" {
			return &movie.ParameterError{Parameter: "Last-Event-ID", Detail: "Last-Event-ID " + wrong}
		}
	}
	s, err := a.watcher.state(r.Context())
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
	takeTime(w, 0)
	a.follow(w, r, s, first)
	return nil
}

// follow sends events, and heartbeats while there are none.
func (a *API) follow(w http.ResponseWriter, r *http.Request, s state, next *answer) {
	out := http.NewResponseController(w)
	write := func(b []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := w.Write(b)
		return err == nil && out.Flush() == nil
	}
	if !write([]byte(": " + strconv.FormatInt(s.revision, 10) + "\n\n")) {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for since := next.last; ; since = next.last {
		if len(next.body) > 0 && !write(next.body) {
			return
		}
		for len(next.body) == 0 || s.revision <= since { // nothing more yet
			select {
			case <-s.moved:
			case <-beat.C:
				if !write([]byte(": \n\n")) {
					return
				}
			case <-a.ending:
				return
			case <-r.Context().Done():
				return
			}
			var err error
			if s, err = a.watcher.state(r.Context()); err != nil {
				return
			}
			if s.revision > since {
				break
			}
		}
		var err error
		if next, err = a.events(r.Context(), s, since); err != nil {
			return // the client comes again, and is told then
		}
	}
}

// events are the changes after a revision as server-sent events; all streams at
// the same place share them.
func (a *API) events(ctx context.Context, s state, since int64) (*answer, error) {
	found, _, err := a.get(ctx, s, request{s.revision, "events?since=" + strconv.FormatInt(since, 10)}, func(ctx context.Context) (*answer, error) {
		changes, err := a.catalogue.Changes(ctx, since, defaultChanges)
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
