// Package api serves the catalogue over HTTP, as JSON.
//
// Answers are made of an index of the catalogue in memory, which a watcher keeps up to
// date, and kept ready to be sent until the catalogue changes. Exports, histories and
// changes, and movies when the index is off, come from the database. Whatever goes wrong is told as a problem document (RFC 9457).
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
)

// Reader reads movies from the database: those that the index does not have or does not
// answer.
type Reader interface {
	// Movie returns a visible movie, or movie.ErrNotFound.
	Movie(ctx context.Context, id int64) (movie.Row, error)
	// Movies returns a page of the movies that match, at most limit, the highest id
	// first. With start above 0, the page has only ids below start. next is the start
	// of the page that follows, 0 at the end. Asked only when the index is off.
	Movies(ctx context.Context, filter movie.Filter, start int64, limit int) (rows []movie.Row, next int64, err error)
	// History returns the newest changes of a movie, deleted or not, at most limit.
	// With start above 0, only revisions below it. movie.ErrNotFound.
	History(ctx context.Context, id, start int64, limit int) ([]movie.Event, error)
	// Export gives all movies that match as they are at one revision: begin is
	// told which, and then each gets some of them, about movie.MaxBytes at most. An
	// error of theirs ends it.
	Export(ctx context.Context, f movie.Filter, begin func(revision int64) error, each func([]movie.Row) error) error
}

// Feed reads what has changed, and how fresh that is.
type Feed interface {
	// Status is how fresh the catalogue is.
	Status(ctx context.Context) (movie.Status, error)
	// Revision is the number of changes so far.
	Revision(ctx context.Context) (int64, error)
	// Changes returns the first changes after a revision, at most limit, in
	// commit order, and none after those that hold movie.MaxBytes. movie.ErrPruned when some of them are no longer kept.
	Changes(ctx context.Context, since int64, limit int) ([]movie.Change, error)
}

// Catalogue is what the API serves.
type Catalogue interface {
	Reader
	Feed
}

// Options of the API.
type Options struct {
	Catalogue Catalogue
	// Source is what the index is made of: the same catalogue. Nil when the index is off.
	Source index.Source
	Logger *slog.Logger
	// Staleness is how long an answer may be behind the database, while that can
	// be reached.
	Staleness time.Duration
	// Missing is when the first change was committed that the catalogue, a replica,
	// does not show yet; zero when it shows all. Nil if it is none.
	Missing func(context.Context) (time.Time, error)
	// CacheBytes bounds the answers that are kept.
	CacheBytes int64
	// Exports is how many exports may run at once; at least one.
	Exports int
	// BasePath is in front of every link: the prefix that a proxy takes from requests.
	BasePath string
	// Metrics are registered here; nil for none.
	Metrics prometheus.Registerer
}

// API answers requests.
type API struct {
	catalogue Catalogue
	logger    *slog.Logger
	watcher   *watcher
	cache     *cache
	room      room
	exports   *semaphore.Weighted // that run
	metrics   *metrics
	mux       *http.ServeMux
	base      string // in front of every link
	// first is the answer to /, description the OpenAPI document.
	first, description *answer
	ending             chan struct{} // closed when long answers are to end
}

// queryTimeout bounds the work for one answer.
const queryTimeout = 10 * time.Second

// handler answers GET and HEAD; an error that it returns becomes the answer.
type handler func(http.ResponseWriter, *http.Request) error

// New makes an API. Run must run beside it.
func New(o Options) *API {
	a := &API{
		catalogue: o.Catalogue, logger: o.Logger, cache: newCache(o.CacheBytes), room: newRoom(), base: o.BasePath,
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
	a.first = newAnswer([]byte(`{"movies_url": "`+a.base+`/movies"}`+"\n"), "")
	a.description = describe(a.base)
	for pattern, handle := range map[string]handler{
		"/{$}": a.start, "/movies": a.movies, "/movies/{id}": a.movie, "/movies/{id}/history": a.history, "/export": a.export, "/changes": a.changes,
		"/genres": a.genres, "/years": a.years, "/people": a.people, "/suggest": a.suggest, "/status": a.status, "/openapi.json": a.openapi,
	} {
		a.mux.Handle(pattern, a.read(handle))
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
	a.fail(w, r, problem{Status: http.StatusNotFound, Detail: "there is nothing here; " + a.base + "/openapi.json names what there is"})
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

// Loading says how far a load of the index is, if one is under way or none has
// succeeded so far. ready: there is an index all the same, which answers.
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

// read serves what anyone may read, scripts of other origins included.
func (a *API) read(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowOrigins(w)
		a.introduce(w)
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

// allowedHeaders are those of requests that scripts of other origins may set: what HTTP
// clients, tracing and monitoring send by themselves. The star, which older browsers do
// not know, takes in all others; no header changes more than the form of an answer.
const allowedHeaders = "*, Accept, Accept-Language, B3, Baggage, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, Last-Event-ID, " +
	"Pragma, Range, Sentry-Trace, Traceparent, Tracestate, X-B3-ParentSpanId, X-B3-Sampled, X-B3-SpanId, X-B3-TraceId, " +
	"X-Correlation-Id, X-Request-Id, X-Requested-With"

// preflight tells browsers what scripts of other origins may do.
func preflight(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Allow", "GET, HEAD, OPTIONS")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD")
	header.Set("Access-Control-Allow-Headers", allowedHeaders)
	header.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// state is what the watcher knows; the answer, also one that is an error, names its
// revision.
func (a *API) state(w http.ResponseWriter, r *http.Request) (state, error) {
	s, err := a.watcher.state(lasting(r))
	if err == nil {
		w.Header()[catalogueRevision] = s.text
	}
	return s, err
}

// computed answers from the index, or with an answer that is kept.
func (a *API) computed(w http.ResponseWriter, r *http.Request, key string, make func(*index.Index) (*answer, error)) error {
	if a.watcher.mirror == nil {
		return errOff
	}
	s, err := a.state(w, r)
	if err != nil {
		return err
	}
	return a.sendComputed(w, r, s, key, make)
}

func (a *API) sendComputed(w http.ResponseWriter, r *http.Request, s state, key string, make func(*index.Index) (*answer, error)) error {
	return a.sendHeld(w, r, s, "index", func() (*answer, bool, error) { return a.compute(s, key, make) })
}

// sendCached answers from the database, or with an answer that is kept.
func (a *API) sendCached(w http.ResponseWriter, r *http.Request, s state, key string, load func(context.Context) (*answer, error)) error {
	return a.sendHeld(w, r, s, "db", func() (*answer, bool, error) { return a.get(lasting(r), s, key, load) })
}

// sendHeld sends an answer once there is room for it. The name is that of the time it takes.
func (a *API) sendHeld(w http.ResponseWriter, r *http.Request, s state, name string, get func() (found *answer, hit bool, err error)) error {
	start := time.Now()
	hit := false
	found, release, err := a.room.hold(lasting(r), func() (found *answer, err error) {
		found, hit, err = get()
		return found, err
	})
	if err != nil {
		return err
	}
	defer release()
	if hit {
		a.sendHit(w, r, s, found)
		return nil
	}
	a.sendMade(w, r, s, name, start, found)
	return nil
}

// sendMade sends an answer that has just been made, and tells how long that took.
func (a *API) sendMade(w http.ResponseWriter, r *http.Request, s state, name string, start time.Time, made *answer) {
	a.metrics.misses.Inc()
	w.Header()[serverTiming] = []string{name + ";dur=" + milliseconds(time.Since(start))}
	send(w, r, made, s)
}

// sendKept answers a request whose text is the very key of an answer that is
// kept: nothing needs to be read, parsed or checked. It tells whether it has.
func (a *API) sendKept(w http.ResponseWriter, r *http.Request, key string) bool {
	s := a.watcher.peek()
	if s.moved == nil {
		return false
	}
	found, hit := a.cache.find(s, key)
	if !hit || len(found.body) > smallAnswer { // a large one waits for room
		return false
	}
	a.sendHit(w, r, s, found)
	return true
}

func (a *API) sendHit(w http.ResponseWriter, r *http.Request, s state, found *answer) {
	a.metrics.hits.Inc()
	w.Header()[serverTiming] = fromCache
	send(w, r, found, s)
}

// sendConstant answers with what needs no database, and never waits for it.
func (a *API) sendConstant(w http.ResponseWriter, r *http.Request, constant *answer) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	w.Header()[serverTiming] = fromCache
	send(w, r, constant, a.watcher.peek())
	return nil
}

func (a *API) start(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	return a.sendConstant(w, r, a.first)
}
