// Package api serves the catalogue over HTTP as JSON.
//
// A watcher keeps an index of the catalogue in memory up to date. Answers are computed
// from the index and cached until the catalogue changes. Exports, histories and changes,
// and movies when the index is off, come from the database. Errors are problem documents
// (RFC 9457).
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// Reader answers from the database what the index cannot. Movie and Movies are called only
// when the index is off.
type Reader interface {
	// Movie returns a visible movie, or movie.ErrNotFound.
	Movie(ctx context.Context, id int64) (movie.Row, error)
	// Movies returns a page of the matching movies, at most limit, the highest id first.
	// With start above 0, the page has only ids below start. next is the start of the next
	// page, 0 at the end. It is called only when the index is off.
	Movies(ctx context.Context, filter movie.Filter, start int64, limit int) (rows []movie.Row, next int64, err error)
	// History returns the newest changes of a movie, deleted or not, at most limit. With
	// start above 0, only revisions below it. It returns movie.ErrNotFound when there
	// never was such a movie.
	History(ctx context.Context, id, start int64, limit int) ([]report.Event, error)
	// Export calls begin with a revision, and then each with groups of the movies that
	// match at that revision, about movie.MaxBytes at most. It stops at the first error
	// from begin or each.
	Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error
}

// Feed reads the change feed and the freshness of the catalogue.
type Feed interface {
	// Status is how fresh the catalogue is.
	Status(ctx context.Context) (report.Status, error)
	// Revision returns the number of changes so far.
	Revision(ctx context.Context) (int64, error)
	// Changes returns the first changes after a revision in commit order, at most limit,
	// and stops once they hold movie.MaxBytes. It returns movie.ErrPruned when some of
	// them are no longer kept.
	Changes(ctx context.Context, since int64, limit int) ([]movie.Change, error)
}

// Catalogue is the database that the API serves.
type Catalogue interface {
	Reader
	Feed
}

// Options configure the API.
type Options struct {
	Catalogue Catalogue
	// Source feeds the index; nil when the index is off.
	Source index.Source
	Logger *slog.Logger
	// Staleness is how far an answer may be behind the database while that can be reached.
	Staleness time.Duration
	// Missing returns the commit time of the first change that the read replica lacks;
	// zero when it lacks none. When the primary does not answer, it returns, with the error,
	// that of the newest change that the replica has; zero if that is not known. Nil without
	// a replica.
	Missing func(context.Context) (time.Time, error)
	// CacheBytes bounds the cached answers.
	CacheBytes int64
	// Exports bounds the concurrent exports; at least one.
	Exports int
	// BasePath is the prefix that a proxy removes from requests. It goes in front of every
	// link.
	BasePath string
	// Version is the version of the program.
	Version string
	// Metrics registers the API's metrics; nil for none.
	Metrics prometheus.Registerer
}

// API is the HTTP handler. It is safe for concurrent use.
type API struct {
	catalogue Catalogue
	logger    *slog.Logger
	watcher   *watcher
	cache     *cache
	room      room
	exports   *semaphore.Weighted // bounds concurrent exports
	metrics   *metrics
	mux       *http.ServeMux
	base      string // in front of every link
	version   string // of the program
	// root is the answer to /, description the OpenAPI document.
	root, description *answer
	ending            chan struct{} // closed to end streams and long polls
}

// queryTimeout bounds the database's work for one answer.
const queryTimeout = 10 * time.Second

// handler answers GET and HEAD. The API turns the error that it returns into a problem
// document.
type handler func(http.ResponseWriter, *http.Request) error

// New returns an API. Run must run beside it.
func New(o Options) *API {
	a := &API{
		catalogue: o.Catalogue, logger: o.Logger, cache: newCache(o.CacheBytes), room: newRoom(), base: o.BasePath, version: o.Version,
		exports: semaphore.NewWeighted(int64(max(o.Exports, 1))), ending: make(chan struct{}),
	}
	a.watcher = &watcher{
		feed: o.Catalogue, logger: o.Logger, staleness: o.Staleness, now: time.Now, renewed: a.cache.answers.InvalidateAll,
	}
	if o.Source != nil {
		a.watcher.mirror = index.NewMirror(patient{o.Source})
	}
	if o.Missing != nil {
		a.watcher.lag = newLag(o.Missing, time.Now)
	}
	a.metrics = newMetrics(o.Metrics, a.watcher)
	a.mux = http.NewServeMux()
	a.root = newAnswer([]byte(`{"movies_url": "`+a.base+`/movies"}`+"\n"), "")
	a.description = describe(a.base)
	for pattern, handle := range map[string]handler{
		"/{$}": a.home, "/movies": a.movies, "/movies/{id}": a.movie, "/movies/{id}/history": a.history, "/export": a.export, "/changes": a.changes,
		"/genres": a.genres, "/years": a.years, "/people": a.people, "/suggest": a.suggest, "/status": a.status, "/openapi.json": a.openapi,
	} {
		a.mux.Handle(pattern, a.read(handle))
	}
	a.mux.HandleFunc("/", a.notFound)
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// ServeMux redirects an unclean path with a page of HTML.
	if !isClean(r.URL.Path) {
		a.notFound(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

func isClean(p string) bool {
	clean := path.Clean(p)
	return strings.HasPrefix(p, "/") && (p == clean || clean != "/" && p == clean+"/")
}

func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	a.setCommonHeaders(w)
	allowOrigins(w)
	a.fail(w, r, problem{Status: http.StatusNotFound, Detail: "there is nothing here; " + a.base + "/openapi.json names what there is"})
}

// Run follows the catalogue until ctx is done. Then it ends streams and long polls, so
// that the server can drain.
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

// Loading returns the progress of loading the index as an error, nil when it is loaded.
// ready reports that an older index answers meanwhile.
func (a *API) Loading() (ready bool, err error) {
	m := a.watcher.mirror
	if m == nil {
		return true, nil
	}
	ready = m.Index() != nil
	switch p := m.Progress(); {
	case p.Loading && ready:
		return true, fmt.Errorf("loading the index again: %d of about %d movies", p.Loaded, p.Expected)
	case p.Loading:
		return false, fmt.Errorf("loading the index: %d of about %d movies", p.Loaded, p.Expected)
	case !ready:
		return false, errors.New("the index is not loaded: the catalogue cannot be read")
	}
	return true, nil
}

// read serves a public route, to scripts of other origins too (CORS).
func (a *API) read(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigins(w)
		a.setCommonHeaders(w)
		switch r.Method {
		case http.MethodOptions:
			preflight(w)
		case http.MethodGet, http.MethodHead:
			if err := handle(w, r); err != nil {
				a.fail(w, r, err)
			}
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			a.fail(w, r, problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not allowed, expected GET or HEAD"})
		}
	})
}

// setCommonHeaders sets the headers of every response.
func (a *API) setCommonHeaders(w http.ResponseWriter) {
	header := w.Header()
	header[contentOptions] = nosniff
	if s := a.watcher.peek(); s.moved != nil {
		header[catalogueRevision] = s.text
	}
	setAge(header, a.watcher.lag.age())
}

func allowOrigins(w http.ResponseWriter) {
	header := w.Header()
	header[allowOrigin] = anyOrigin
	header[exposeHeaders] = exposed
}

// allowedHeaders lists the request headers that HTTP clients, tracing and monitoring add
// by themselves. The star covers all others but Authorization (Fetch standard, section
// 3.3.3), which a proxy may ask for; older browsers do not know it. No header changes more
// than the form of an answer.
const allowedHeaders = "*, Accept, Accept-Language, Authorization, B3, Baggage, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, " +
	"Last-Event-ID, Pragma, Range, Sentry-Trace, Traceparent, Tracestate, X-B3-ParentSpanId, X-B3-Sampled, X-B3-SpanId, X-B3-TraceId, " +
	"X-Correlation-Id, X-Request-Id, X-Requested-With"

// preflight answers a CORS preflight request.
func preflight(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Allow", "GET, HEAD, OPTIONS")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD")
	header.Set("Access-Control-Allow-Headers", allowedHeaders)
	header.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// state returns the current state and sets Catalogue-Revision, which errors carry too.
func (a *API) state(w http.ResponseWriter, r *http.Request) (state, error) {
	s, err := a.watcher.state(lasting(r))
	if err == nil {
		w.Header()[catalogueRevision] = s.text
	}
	return s, err
}

func (a *API) home(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	return a.sendConstant(w, r, a.root)
}
