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
	"path"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/movie"
)

// Reader reads movies.
type Reader interface {
	// Movie returns a visible movie, or movie.ErrNotFound.
	Movie(ctx context.Context, id int64) (movie.Row, error)
	// Movies returns a page of the movies that match, at most limit, the highest id
	// first. With start above 0, the page has only ids below start. next is the start
	// of the page that follows, 0 at the end.
	Movies(ctx context.Context, filter movie.Filter, start int64, limit int) (rows []movie.Row, next int64, err error)
	// History returns the newest changes of a movie, deleted or not, at most limit.
	// With start above 0, only revisions below it. movie.ErrNotFound.
	History(ctx context.Context, id, start int64, limit int) ([]movie.Event, error)
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
	// Status is how fresh the catalogue is.
	Status(ctx context.Context) (movie.Status, error)
	// Rejections returns the newest rejections, at most limit. With start above
	// 0, only ids below it.
	Rejections(ctx context.Context, start int64, limit int) ([]movie.StoredRejection, error)
	// Trace tells what is known about the objects of a key.
	Trace(ctx context.Context, key string) (movie.Trace, error)
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
	// Missing is when the first change was committed that the catalogue, a replica,
	// does not show yet; zero when it shows all. Nil if it is none.
	Missing func(context.Context) (time.Time, error)
	// CacheBytes bounds the answers that are kept.
	CacheBytes int64
	// Metrics are registered here; nil for none.
	Metrics prometheus.Registerer
}

// API answers requests.
type API struct {
	catalogue Catalogue
	logger    *slog.Logger
	watcher   *watcher
	cache     *cache
	metrics   *metrics
	mux       *http.ServeMux
	// description of this API, in OpenAPI's words
	description *answer
	ending      chan struct{} // closed when long answers are to end
}

// queryTimeout bounds the work for one answer.
const queryTimeout = 10 * time.Second

// handler answers GET and HEAD; an error that it returns becomes the answer.
type handler func(http.ResponseWriter, *http.Request) error

// New makes an API. Run must run beside it.
func New(o Options) *API {
	a := &API{catalogue: o.Catalogue, logger: o.Logger, cache: newCache(o.CacheBytes), ending: make(chan struct{})}
	a.watcher = &watcher{
		feed: o.Catalogue, logger: o.Logger, staleness: o.Staleness, now: time.Now, touched: a.cache.touched, moved: make(chan struct{}),
	}
	if o.Missing != nil {
		a.watcher.lag = newLag(o.Missing, time.Now)
	}
	a.metrics = newMetrics(o.Metrics, a.watcher)
	a.mux = http.NewServeMux()
	routes := a.routes()
	a.description = describe(routes)
	for _, r := range routes {
		pattern := r.path
		if pattern == "/" {
			pattern = "/{$}" // and nothing below it
		}
		a.mux.Handle(pattern, a.read(r.handle))
	}
	a.mux.HandleFunc("/", a.nothing)
	return a
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The mux would answer a path that is not clean with a page of HTML.
	if !isClean(r.URL.Path) {
		a.nothing(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

func isClean(p string) bool {
	clean := path.Clean(p)
	return strings.HasPrefix(p, "/") && (p == clean || clean != "/" && p == clean+"/")
}

func (a *API) nothing(w http.ResponseWriter, r *http.Request) {
	a.introduce(w)
	allowOrigins(w)
	a.fail(w, r, problem{Status: http.StatusNotFound, Detail: "there is nothing here; /openapi.json names what there is"})
}

// Run follows the catalogue until ctx is done; then it ends streams and long
// polls, so that the server can drain.
func (a *API) Run(ctx context.Context) {
	context.AfterFunc(ctx, func() { close(a.ending) })
	var following sync.WaitGroup
	if a.watcher.lag != nil {
		following.Go(func() { a.watcher.lag.follow(ctx, a.logger) })
	}
	a.watcher.watch(ctx)
	following.Wait()
	<-a.ending
}

// read serves what anyone may read, scripts of other origins included.
func (a *API) read(handle handler) http.Handler {
	private := a.readPrivate(handle, "GET, HEAD, OPTIONS")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigins(w)
		if r.Method == http.MethodOptions {
			a.introduce(w)
			preflight(w)
			return
		}
		private.ServeHTTP(w, r)
	})
}

// readPrivate serves what scripts of other origins may not read.
func (a *API) readPrivate(handle handler, allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.introduce(w)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", allow)
			a.fail(w, r, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not allowed, expected GET or HEAD"})
		} else if err := handle(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// introduce sets the headers of every answer.
func (a *API) introduce(w http.ResponseWriter) {
	header := w.Header()
	header[contentOptions] = nosniff
	if s := a.watcher.peek(); s.moved != nil {
		header[catalogueRevision] = s.text
	}
	tellAge(header, a.watcher.lag.age())
}

func allowOrigins(w http.ResponseWriter) {
	header := w.Header()
	header[allowOrigin] = anyOrigin
	header[exposeHeaders] = exposed
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

// cached answers from the lists that are kept; what is not there is loaded.
func (a *API) cached(w http.ResponseWriter, r *http.Request, key string, load func(context.Context) (*answer, error)) error {
	s, err := a.watcher.state(r.Context())
	if err != nil {
		return err
	}
	return a.sendCached(w, r, s, a.cache.lists, key, load)
}

func (a *API) sendCached(w http.ResponseWriter, r *http.Request, s state, in *shelfOf, key string, load func(context.Context) (*answer, error)) error {
	start := time.Now()
	found, hit, err := a.get(r.Context(), s, in, key, load)
	switch {
	case err != nil:
		return err
	case hit:
		a.sendHit(w, r, s, found)
	default:
		a.metrics.misses.Inc()
		w.Header().Set(serverTiming, "db;dur="+milliseconds(time.Since(start)))
		send(w, r, found, s)
	}
	return nil
}

// sendKept answers a request whose text is the very key of an answer that is
// kept: nothing needs to be read, parsed or checked. It tells whether it has.
func (a *API) sendKept(w http.ResponseWriter, r *http.Request, in *shelfOf, key string) bool {
	s := a.watcher.peek()
	if s.moved == nil {
		return false
	}
	found, hit := in.GetIfPresent(key)
	if hit {
		a.sendHit(w, r, s, found)
	}
	return hit
}

func (a *API) sendHit(w http.ResponseWriter, r *http.Request, s state, found *answer) {
	a.metrics.hits.Inc()
	w.Header()[serverTiming] = fromCache
	send(w, r, found, s)
}

// sendConstant answers with what needs no database.
func (a *API) sendConstant(w http.ResponseWriter, r *http.Request, constant *answer) error {
	if err := movie.NoParameters(r.URL.RawQuery); err != nil {
		return err
	}
	s, _ := a.watcher.state(r.Context())
	w.Header()[serverTiming] = fromCache
	send(w, r, constant, s)
	return nil
}

var index = newAnswer([]byte(`{"movies_url": "/movies"}`+"\n"), "")

func (a *API) index(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	return a.sendConstant(w, r, index)
}
