// Package api serves the catalogue over HTTP, as JSON.
//
// Answers are put together from the rows as they are stored, without decoding
// them. Whatever goes wrong is told as a problem document (RFC 9457).
package api

import (
	"context"
	"log/slog"
	"net/http"

	"jpmovies/internal/movie"
)

// Catalogue is where movies come from.
type Catalogue interface {
	// Movie returns a visible movie, or movie.ErrNotFound.
	Movie(ctx context.Context, id int64) (movie.Row, error)
	// Movies returns the first movies that match, at most limit, the highest id
	// first. With start above 0, only ids below it.
	Movies(ctx context.Context, filter movie.Filter, start int64, limit int) ([]movie.Row, error)
}

type api struct {
	catalogue Catalogue
	logger    *slog.Logger
}

// New returns the handler of all requests.
func New(catalogue Catalogue, logger *slog.Logger) http.Handler {
	a := &api{catalogue: catalogue, logger: logger}
	mux := http.NewServeMux()
	mux.Handle("/{$}", a.read(a.index))
	mux.Handle("/movies", a.read(a.movies))
	mux.Handle("/movies/{id}", a.read(a.movie))
	mux.Handle("/", a.read(func(http.ResponseWriter, *http.Request) error {
		return problem{Status: http.StatusNotFound, Detail: "there is nothing here; / names what there is"}
	}))
	return mux
}

// read serves GET and HEAD; an error that the handler returns becomes the answer.
func (a *api) read(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Access-Control-Allow-Origin", "*")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			a.fail(w, r, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not allowed, expected GET or HEAD"})
			return
		}
		if err := handle(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *api) index(w http.ResponseWriter, r *http.Request) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	return send(w, []byte(`{"movies_url": "/movies"}`+"\n"))
}
