package api

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"jpmovies/internal/movie"
)

// keyset is the query string of a page without filters: what is below start.
type keyset struct {
	start int64
	limit int
}

var keysetParameters = []movie.Parameter[keyset]{
	{Name: "start", Set: func(q *keyset, v string) string { return movie.SetNumber(&q.start, v, 1, math.MaxInt64) }},
	{Name: "limit", Set: func(q *keyset, v string) string { return movie.SetNumber(&q.limit, v, 1, movie.MaxLimit) }},
}

func parseKeyset(raw string) (q keyset, given url.Values, err error) {
	q.limit = movie.DefaultLimit
	given, err = movie.Parse(raw, keysetParameters, &q)
	return q, given, err
}

// Rejections serves the newest rejections, for the admin port: producers' bytes
// are no business of strangers.
func (a *API) Rejections() http.Handler { return a.readPrivate(a.rejections, "GET, HEAD") }

func (a *API) rejections(w http.ResponseWriter, r *http.Request) error {
	q, given, err := parseKeyset(r.URL.RawQuery)
	if err != nil {
		return err
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(lasting(r), queryTimeout)
	defer cancel()
	found, err := a.catalogue.Rejections(ctx, q.start, q.limit+1)
	if err != nil {
		return err
	}
	shown := struct {
		Rejections []movie.StoredRejection `json:"rejections"`
		Next       *string                 `json:"next_url"`
	}{Rejections: append([]movie.StoredRejection{}, found[:min(len(found), q.limit)]...)} // a list, not null, when empty
	if len(found) > q.limit {
		given.Set("start", strconv.FormatInt(found[q.limit-1].ID, 10))
		next := "/rejections?" + given.Encode()
		shown.Next = &next
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
	header[contentType], header[cacheControl] = jsonType, noStore
	header.Set(catalogueRevision, strconv.FormatInt(revision, 10))
	header.Set(contentLength, strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client went away: nobody is left to tell
	return nil
}
