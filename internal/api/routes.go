// Package api serves the catalogue over HTTP, as JSON.
//
// Answers are put together from the rows as they are stored, without decoding
// them, and kept ready to be sent until the catalogue changes: a watcher follows
// its revision. Whatever goes wrong is told as a problem document (RFC 9457).
package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"jpmovies/internal/movie"
)

// Reader reads movies.
type Reader interface {
	// Movie returns a visible movie, or movie.ErrNotFound.
	Movie(ctx context.Context, id int64) (movie.Row, error)
	// Movies returns the first movies that match, at most limit, the highest id
	// first. With start above 0, only ids below it.
	Movies(ctx context.Context, filter movie.Filter, start int64, limit int) ([]movie.Row, error)
	// Export gives all movies that match as they are at one revision: begin is
	// told which, and then each gets some of them. An error of theirs ends it.
	Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error
}

// Feed reads what has changed.
type Feed interface {
	// Revision is the number of changes so far.
	Revision(ctx context.Context) (int64, error)
	// Changes returns the first changes after a revision, at most limit, in
	// commit order. movie.ErrPruned when some of them are no longer kept.
	Changes(ctx context.Context, since int64, limit int) ([]movie.Change, error)
	// Touched are the ids of the movies that changed after one revision, up to
	// another; known is false when these are not all.
	Touched(ctx context.Context, after, upTo int64, limit int) (ids []int64, known bool, err error)
}

// Counter reads numbers.
type Counter interface {
	// Genres and Years are all values with the number of their movies.
	Genres(ctx context.Context) ([]movie.Count, error)
	Years(ctx context.Context) ([]movie.Count, error)
	// Status is how fresh the catalogue is.
	Status(ctx context.Context) (movie.Status, error)
	// Rejections returns the newest rejections, at most limit. With start above
	// 0, only ids below it.
	Rejections(ctx context.Context, start int64, limit int) ([]movie.StoredRejection, error)
}

// Catalogue is what the API serves.
type Catalogue interface {
	Reader
	Feed
	Counter
}

// Options of the API.
type Options struct {
	Catalogue Catalogue
	Logger    *slog.Logger
	// Staleness is how long an answer may be behind the database, while that can
	// be reached.
	Staleness time.Duration
	// CacheBytes bounds the answers that are kept.
	CacheBytes int64
}

// API answers requests.
type API struct {
	catalogue Catalogue
	logger    *slog.Logger
	watcher   *watcher
	cache     *cache
	mux       *http.ServeMux
	ending    chan struct{} // closed when long answers are to end
}

// queryTimeout bounds the work for one answer.
const queryTimeout = 10 * time.Second

// New makes an API. Run must run beside it.
func New(o Options) *API {
	a := &API{catalogue: o.Catalogue, logger: o.Logger, cache: newCache(o.CacheBytes), ending: make(chan struct{})}
	a.watcher = &watcher{
		feed: o.Catalogue, staleness: o.Staleness, now: time.Now, touched: a.cache.touched, moved: make(chan struct{}),
	}
	a.mux = http.NewServeMux()
	a.mux.Handle("/{$}", a.read(a.index))
	a.mux.Handle("/movies", a.read(a.movies))
	a.mux.Handle("/movies/{id}", a.read(a.movie))
	a.mux.Handle("/export", a.read(a.export))
	a.mux.Handle("/changes", a.read(a.changes))
	a.mux.Handle("/genres", a.read(a.genres))
	a.mux.Handle("/years", a.read(a.years))
	a.mux.Handle("/status", a.read(a.status))
	a.mux.Handle("/", a.read(func(http.ResponseWriter, *http.Request) error {
		return problem{Status: http.StatusNotFound, Detail: "there is nothing here; / names what there is"}
	}))
	return a
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Run follows the catalogue until ctx is done; then it ends streams and long
// polls, so that the server can drain.
func (a *API) Run(ctx context.Context) {
	a.watcher.watch(ctx)
	close(a.ending)
}

// exposed are the headers that scripts of other origins may read.
const exposed = "Catalogue-Revision, ETag, Link, Age, Retry-After"

// read serves GET and HEAD; an error that the handler returns becomes the answer.
func (a *API) read(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", exposed)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if err := handle(w, r); err != nil {
				a.fail(w, r, err)
			}
		case http.MethodOptions:
			preflight(w)
		default:
			header.Set("Allow", "GET, HEAD, OPTIONS")
			a.fail(w, r, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not allowed, expected GET or HEAD"})
		}
	})
}

// preflight tells browsers what scripts of other origins may do.
func preflight(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Allow", "GET, HEAD, OPTIONS")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD")
	header.Set("Access-Control-Allow-Headers", "If-None-Match, Last-Event-ID")
	header.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// cached answers from the cache; what is not there is loaded.
func (a *API) cached(w http.ResponseWriter, r *http.Request, key string, load func(context.Context) (*answer, error)) error {
	s, err := a.watcher.state(r.Context())
	if err != nil {
		return err
	}
	return a.sendCached(w, r, s, request{s.revision, key}, load)
}

func (a *API) sendCached(w http.ResponseWriter, r *http.Request, s state, name request, load func(context.Context) (*answer, error)) error {
	start := time.Now()
	found, hit, err := a.get(r.Context(), s, name, load)
	if err != nil {
		return err
	}
	if hit {
		w.Header().Set("Server-Timing", "cache")
	} else {
		w.Header().Set("Server-Timing", "db;dur="+milliseconds(time.Since(start)))
	}
	send(w, r, found, s)
	return nil
}

var index = newAnswer([]byte(`{"movies_url": "/movies"}`+"\n"), "")

func (a *API) index(w http.ResponseWriter, r *http.Request) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	s, err := a.watcher.state(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	send(w, r, index, s)
	return nil
}

// wants tells whether the client prefers a media type to JSON.
func wants(r *http.Request, mediaType string) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		name, _, _ := strings.Cut(one, ";")
		switch strings.TrimSpace(name) {
		case mediaType:
			return true
		case "application/json", "application/*":
			return false
		}
	}
	return false
}
