package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Records reads the database for operators.
type Records interface {
	// Status returns the freshness of the catalogue.
	Status(ctx context.Context) (report.Status, error)
	// Rejections returns the newest rejections, at most limit. With start above
	// 0, only ids below it.
	Rejections(ctx context.Context, start int64, limit int) ([]report.Rejection, error)
	// Origins returns the updates that set the parts of the movie with an id, or, when the
	// id is 0, of the one with an identity. It returns movie.ErrNotFound when there never
	// was one.
	Origins(ctx context.Context, id int64, i movie.Identity) (report.Origins, error)
	// History returns the newest changes of a movie, at most limit. With start above 0,
	// only revisions below it.
	History(ctx context.Context, id, start int64, limit int) ([]report.Event, error)
}

// Tracer traces objects.
type Tracer interface {
	// Trace reports what is known about the objects of a key.
	Trace(ctx context.Context, key string) (report.Trace, error)
}

// Operations serves operators on the admin port of the API and of the worker. It is
// read-only. Keys and reasons are not for the public.
type Operations struct {
	Records Records
	Tracer  Tracer
	Logger  *slog.Logger
	// Waiting looks an object up in the bucket; nil when it is not there. Waiting itself
	// is nil when the process has no bucket.
	Waiting func(ctx context.Context, key string) (*report.Waiting, error)
}

// Routes returns the handlers by path.
func (o *Operations) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"/rejections": o.read(o.rejections), "/rejections/reasons": o.read(o.reasons), "/objects": o.read(o.object), "/movie": o.read(o.movie),
	}
}

// read serves GET and HEAD, without CORS.
func (o *Operations) read(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()[contentOptions] = nosniff
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not allowed, expected GET or HEAD"}.send(w)
			return
		}
		ctx, cancel := context.WithTimeout(lasting(r), queryTimeout)
		defer cancel()
		if err := handle(w, r.WithContext(ctx)); err != nil {
			o.fail(w, r, err)
		}
	})
}

// fail answers with the cause of an error, which operators may see.
func (o *Operations) fail(w http.ResponseWriter, r *http.Request, err error) {
	var parameter *parameterError
	p := problem{Status: http.StatusServiceUnavailable, retryAfter: retryAfter, Detail: fmt.Sprintf("the database cannot be read: %v", err)}
	switch {
	case errors.As(err, &parameter):
		p = problem{Status: http.StatusBadRequest, Detail: parameter.detail, Parameter: parameter.parameter}
	case errors.Is(err, movie.ErrNotFound):
		p = problem{Status: http.StatusNotFound, Detail: "there never was such a movie"}
	default:
		o.Logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "query", r.URL.RawQuery, "error", err)
	}
	p.send(w)
}

// shownReport is the JSON form of a worker's last report.
type shownReport struct {
	Shard          string     `json:"shard"`
	LastPass       *time.Time `json:"last_pass"`
	LastCommit     *time.Time `json:"last_commit"`
	ObjectsWaiting int        `json:"objects_waiting"`
	OldestWaiting  *time.Time `json:"oldest_waiting"`
}

// Catalogue returns a section of /overview: /status with the full reports of the workers.
func (o *Operations) Catalogue(ctx context.Context) (any, error) {
	s, err := o.Records.Status(ctx)
	if err != nil {
		return nil, err
	}
	shown := struct {
		shownStatus
		Workers []shownReport `json:"workers"`
	}{newStatus(s, time.Now()), []shownReport{}}
	for _, w := range report.Current(s.Workers) {
		shown.Workers = append(shown.Workers, shownReport{w.Shard, orNull(w.LastPass), orNull(w.LastCommit), w.ObjectsWaiting, w.OldestWaiting})
	}
	return shown, nil
}

// Overview returns a section of /overview: the state that this process answers from.
func (a *API) Overview(context.Context) (any, error) {
	type shownIndex struct {
		Movies      int     `json:"movies"`
		Loading     bool    `json:"loading"`
		Loaded      int64   `json:"loaded"`
		Expected    int64   `json:"expected"`
		LoadSeconds float64 `json:"load_seconds"`
	}
	var shown struct {
		Revision *int64 `json:"revision"`
		// Confirmed is the number of seconds since the database last confirmed the
		// revision.
		Confirmed *float64 `json:"confirmed_seconds"`
		// Lag is how far the read replica is behind; null without one.
		Lag   *float64    `json:"replica_lag_seconds"`
		Index *shownIndex `json:"index"` // null when it is off
	}
	if s := a.watcher.peek(); s.moved != nil {
		shown.Revision, shown.Confirmed = new(s.revision), new(s.confirmed.Seconds())
	}
	if a.watcher.lag != nil {
		shown.Lag = new(a.watcher.lag.age().Seconds())
	}
	if m := a.watcher.mirror; m != nil {
		p := m.Progress()
		shown.Index = &shownIndex{Loading: p.Loading, Loaded: p.Loaded, Expected: p.Expected, LoadSeconds: p.Took.Seconds()}
		if x := m.Index(); x != nil {
			shown.Index.Movies = x.Len()
		}
	}
	return shown, nil
}

// maxKey is the length of the longest object key, in bytes.
const maxKey = 1024

var objectParameters = []parameter[string]{
	{name: "key", exact: true, set: func(to *string, v string) string {
		if len(v) > maxKey {
			return fmt.Sprintf("is %d bytes long, expected at most %d", len(v), maxKey)
		}
		*to = v
		return ""
	}},
}

// object answers with the trace of an object. When the bucket does not answer, it still
// tells what the database knows.
func (o *Operations) object(w http.ResponseWriter, r *http.Request) error {
	var key string
	if _, err := parse(r.URL.RawQuery, objectParameters, &key); err != nil {
		return err
	}
	if key == "" {
		return &parameterError{parameter: "key", detail: "key is missing, expected the key of an object"}
	}
	var shown struct {
		report.Trace
		// Searched reports that the bucket was asked; Waiting holds the object if it is
		// there.
		Searched bool `json:"bucket_searched"`
	}
	// Ask the bucket first: an object committed and deleted in between is then reported
	// twice instead of not at all.
	var waiting *report.Waiting
	var bucketErr error
	if o.Waiting != nil {
		ctx, cancel := context.WithTimeout(r.Context(), queryTimeout/2)
		waiting, bucketErr = o.Waiting(ctx, key)
		cancel()
	}
	var err error
	if shown.Trace, err = o.Tracer.Trace(r.Context(), key); err != nil {
		return err
	}
	shown.Waiting, shown.Searched = waiting, o.Waiting != nil && bucketErr == nil
	if bucketErr != nil {
		shown.BucketError = bucketErr.Error()
	}
	shown.Conclude()
	return sendJSON(w, shown)
}

// wanted names a movie by id, or by title and year.
type wanted struct {
	id, year int64
	title    string
}

var wantedParameters = []parameter[wanted]{
	{name: "id", set: func(q *wanted, v string) string { return setNumber(&q.id, v, 1, math.MaxInt64) }},
	{name: "title", set: func(q *wanted, v string) string { q.title = v; return "" }},
	{name: "year", set: func(q *wanted, v string) string { return setNumber(&q.year, v, movie.MinYear, movie.MaxYear) }},
}

// shownEvent is the JSON form of a change of a movie.
type shownEvent struct {
	Revision int64     `json:"revision"`
	Time     time.Time `json:"time"`
	Changed  []string  `json:"changed"`
	// Object is the key of the object that caused the change; null when no part of the
	// movie still comes from it.
	Object *string `json:"object"`
}

// movie answers with the objects that set each part of a movie, and its newest changes.
func (o *Operations) movie(w http.ResponseWriter, r *http.Request) error {
	var q wanted
	if _, err := parse(r.URL.RawQuery, wantedParameters, &q); err != nil {
		return err
	}
	if byID := q.id != 0; byID == (q.title != "" || q.year != 0) || !byID && (q.title == "" || q.year == 0) {
		return &parameterError{parameter: "id", detail: "expected either the id of a movie, or its title and its year"}
	}
	origins, err := o.Records.Origins(r.Context(), q.id, movie.Identity{Title: q.title, Year: int(q.year)})
	if err != nil {
		return err
	}
	events, err := o.Records.History(r.Context(), origins.ID, 0, defaultLimit)
	if err != nil {
		return err
	}
	objects, err := o.changed(r.Context(), origins)
	if err != nil {
		return err
	}
	shown := struct {
		report.Origins
		History []shownEvent `json:"history"`
	}{origins, []shownEvent{}}
	for _, e := range events {
		event := shownEvent{Revision: e.Revision, Time: e.Time, Changed: e.Changed.Names()}
		if key, found := objects[e.Revision]; found {
			event.Object = &key
		}
		shown.History = append(shown.History, event)
	}
	return sendJSON(w, shown)
}

// changed maps revisions of a movie to the keys of the objects that caused them. It only
// traces the objects that set its parts, four at most, because the ingest log has no index
// by movie.
func (o *Operations) changed(ctx context.Context, origins report.Origins) (map[int64]string, error) {
	objects, asked := map[int64]string{}, map[string]bool{}
	for _, part := range origins.Parts {
		if asked[part.Key] {
			continue
		}
		asked[part.Key] = true
		trace, err := o.Tracer.Trace(ctx, part.Key)
		if err != nil {
			return nil, err
		}
		for _, i := range trace.Applied {
			for _, m := range i.Movies {
				if m.ID == origins.ID && m.Revision != 0 {
					objects[m.Revision] = part.Key
				}
			}
		}
	}
	return objects, nil
}

// sendJSON sends an answer that must not be stored.
func sendJSON(w http.ResponseWriter, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	header := w.Header()
	header[contentType], header[cacheControl] = jsonType, noStore
	header.Set(contentLength, strconv.Itoa(len(body)))
	_, _ = w.Write(body) // nobody is left to hear of a write error
	return nil
}
