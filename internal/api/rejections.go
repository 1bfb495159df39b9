package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"jpmovies/internal/movie"
)

// rejectionsQuery is the query string of /rejections.
type rejectionsQuery struct {
	start int64
	limit int
}

var rejectionsParameters = []movie.Parameter[rejectionsQuery]{
	{Name: "start", Set: func(q *rejectionsQuery, v string) string { return movie.SetNumber(&q.start, v, 1, math.MaxInt64) }},
	{Name: "limit", Set: func(q *rejectionsQuery, v string) string {
		return movie.SetNumber(&q.limit, v, 1, movie.MaxLimit)
	}},
}

// shownRejection is a rejection as operators see it.
type shownRejection struct {
	ID         int64     `json:"id"`
	Key        string    `json:"key"`
	ObjectETag string    `json:"object_etag"`
	Position   int64     `json:"position"`
	Reason     string    `json:"reason"`
	Time       time.Time `json:"time"`
}

// Rejections serves the newest rejections, for the admin port: producers' bytes
// are no business of strangers.
func (a *API) Rejections() http.Handler { return a.readPrivate(a.rejections, "GET, HEAD") }

func (a *API) rejections(w http.ResponseWriter, r *http.Request) error {
	q := rejectionsQuery{limit: movie.DefaultLimit}
	given, err := movie.Parse(r.URL.RawQuery, rejectionsParameters, &q)
	if err != nil {
		return err
	}
	s, err := a.watcher.state(r.Context())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	found, err := a.catalogue.Rejections(ctx, q.start, q.limit+1)
	if err != nil {
		return err
	}
	shown := struct {
		Rejections []shownRejection `json:"rejections"`
		Next       *string          `json:"next_url"`
	}{Rejections: []shownRejection{}}
	for i, f := range found {
		if i == q.limit {
			given.Set("start", strconv.FormatInt(found[i-1].ID, 10))
			next := "/rejections?" + given.Encode()
			shown.Next = &next
			break
		}
		shown.Rejections = append(shown.Rejections, shownRejection{f.ID, f.Key, f.ObjectETag, f.Position, f.Reason, f.Time})
	}
	return sendJSON(w, s.revision, shown)
}

// sendJSON answers with what is never kept.
func sendJSON(w http.ResponseWriter, revision int64, value any) error {
	body, err := marshal(value)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("Catalogue-Revision", strconv.FormatInt(revision, 10))
	write(w, body)
	return nil
}
