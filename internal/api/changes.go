package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"jpmovies/internal/movie"
	"jpmovies/internal/negotiation"
)

// Limits of the change feed.
const (
	defaultChanges = 100
	maxChanges     = 1000
	maxWait        = time.Minute
)

// changesQuery is the parsed query string of /changes.
type changesQuery struct {
	since int64
	limit int
	wait  time.Duration
	// lastEvent overrides since; -1 when it is not given.
	lastEvent int64
	// name is what the client calls since.
	name string
}

// named names the parameter in an error about since.
func (q changesQuery) named(err error) error {
	p, isProblem := errors.AsType[problem](err)
	switch {
	case errors.Is(err, movie.ErrPruned):
		p = pruned
	case !isProblem || p.Status != http.StatusGone:
		return err
	}
	p.Parameter = q.name
	return p
}

var changesParameters = []parameter[changesQuery]{
	{name: "since", set: func(q *changesQuery, v string) string { return setNumber(&q.since, v, 0, math.MaxInt64) }},
	{name: "lastEventId", set: func(q *changesQuery, v string) string {
		return setNumber(&q.lastEvent, v, 0, math.MaxInt64)
	}},
	{name: "limit", set: func(q *changesQuery, v string) string { return setNumber(&q.limit, v, 1, maxChanges) }},
	{name: "wait", set: func(q *changesQuery, v string) string {
		wait, err := time.ParseDuration(v)
		if err != nil || wait < 0 || wait > maxWait {
			return fmt.Sprintf("is %q, expected a duration from 0s to %s, such as 30s", v, maxWait)
		}
		q.wait = wait
		return ""
	}},
}

// changes answers with the changes after a revision in commit order, each with the movie
// as it is now. It may wait for a change, or stream changes.
func (a *API) changes(w http.ResponseWriter, r *http.Request) error {
	q := changesQuery{limit: defaultChanges, lastEvent: -1, name: "since"}
	given, err := parse(r.URL.RawQuery, changesParameters, &q)
	if err != nil {
		return err
	}
	if q.lastEvent >= 0 {
		q.since, q.name = q.lastEvent, "lastEventId"
		given.Del("lastEventId")
		given.Set("since", strconv.FormatInt(q.since, 10)) // answers are shared by what was given
	}
	w.Header().Add("Vary", "Accept")
	if negotiation.Prefers(r.Header.Values("Accept"), "text/event-stream", "application/json") {
		return a.stream(w, r, q)
	}
	extendDeadlines(w, r, q.wait)
	s, err := a.waitForChange(lasting(r), q)
	if err != nil {
		return q.named(err)
	}
	return q.named(a.loaded(w, r, s, "/changes?"+given.Encode(), func(ctx context.Context) (*answer, error) {
		changes, err := a.readChanges(ctx, s, q.since, q.limit)
		if err != nil {
			return nil, err
		}
		return a.newChangesPage(changes, q.since, given), nil
	}))
}

// A page of changes is read in steps that grow while the movies are small, because a
// database server sends all rows that a statement asks for.
const (
	firstStep = 16
	mostStep  = 250
)

// readChanges reads at most limit changes, and stops once they hold movie.MaxBytes. After
// the last revision it needs no database.
func (a *API) readChanges(ctx context.Context, s state, since int64, limit int) (all []movie.Change, err error) {
	if since == s.revision {
		return nil, nil
	}
	for size, step := 0, firstStep; size < movie.MaxBytes && len(all) < limit; step = min(4*step, mostStep) {
		step = min(step, limit-len(all))
		some, err := a.catalogue.Changes(ctx, since, step)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < step { // the feed ends here, or the step reached its bytes
			break
		}
		for _, c := range some {
			size += len(c.Row.Fields)
		}
		since = all[len(all)-1].Revision
	}
	return all, nil
}

// newChangesPage returns a page of the feed:
//
//	{"changes": [
//	{"revision": 17, "id": 7, "movie": {"id": 7, "title": ..., "self_url": "/movies/7"}},
//	{"revision": 18, "id": 3, "movie": null}
//	],
//	"revision": 18,
//	"next_url": "/changes?since=18"}
func (a *API) newChangesPage(changes []movie.Change, last int64, given url.Values) *answer {
	body := []byte(`{"changes": [`)
	for i, c := range changes {
		body = a.appendChange(appendSeparator(body, i), c)
		last = c.Revision
	}
	body = appendEnd(body, len(changes))
	given.Set("since", strconv.FormatInt(last, 10))
	next := a.base + "/changes?" + given.Encode()
	body = fmt.Appendf(body, "\"revision\": %d,\n\"next_url\": \"%s\"}\n", last, next)
	return newBriefAnswer(body, next)
}

func (a *API) appendChange(body []byte, c movie.Change) []byte {
	body = strconv.AppendInt(append(body, `{"revision": `...), c.Revision, 10)
	body = strconv.AppendInt(append(body, `, "id": `...), c.Row.ID, 10)
	body = append(body, `, "movie": `...)
	if c.Row.Fields == nil {
		return append(body, "null}"...)
	}
	return append(c.Row.AppendJSON(body, a.base), '}')
}

// extendDeadlines lets a response take longer than the server allows by default. Without a
// read deadline the server does not take the connection for a silent one. A request body,
// which no route expects, must still arrive in time.
func extendDeadlines(w http.ResponseWriter, r *http.Request, more time.Duration) {
	control := http.NewResponseController(w)
	if r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // not every writer has deadlines
	}
	_ = control.SetWriteDeadline(time.Now().Add(more + 2*queryTimeout + writeTimeout))
}

// waitForChange waits until there is a change after since, or the wait is over.
func (a *API) waitForChange(ctx context.Context, q changesQuery) (state, error) {
	deadline := time.NewTimer(q.wait)
	defer deadline.Stop()
	s, err := a.watcher.reach(ctx, q.since)
	for restores := s.restores; ; s, err = a.watcher.state(ctx) {
		if err == nil && s.restores != restores {
			s, err = a.watcher.gone(ctx, q.since)
			restores = s.restores
		}
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
