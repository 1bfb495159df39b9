package api

import (
	"context"
	"fmt"
	"net/http"

	"jpmovies/internal/movie"
)

// maxKey is the length of the longest object key, in bytes.
const maxKey = 1024

var objectParameters = []movie.Parameter[string]{
	{Name: "key", Exact: true, Set: func(to *string, v string) string {
		if len(v) > maxKey {
			return fmt.Sprintf("is %d bytes long, expected at most %d", len(v), maxKey)
		}
		*to = v
		return ""
	}},
}

// Objects serves what has become of an object, for the admin port: keys and
// reasons are no business of strangers. Whether it is in the bucket, only those
// know who have a bucket.
func (a *API) Objects() http.Handler { return a.readPrivate(a.object, "GET, HEAD") }

func (a *API) object(w http.ResponseWriter, r *http.Request) error {
	var key string
	if _, err := movie.Parse(r.URL.RawQuery, objectParameters, &key); err != nil {
		return err
	}
	if key == "" {
		return &movie.ParameterError{Parameter: "key", Detail: "key is missing, expected the key of an object"}
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(lasting(r), queryTimeout)
	defer cancel()
	trace, err := a.catalogue.Trace(ctx, key)
	if err != nil {
		return err
	}
	return sendJSON(w, s.revision, trace)
}
