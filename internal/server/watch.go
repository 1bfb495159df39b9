package server

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/trace"
)

// watch wraps a handler: it gives each request an id, catches panics, and, if it has
// metrics, counts and logs responses.
type watch struct {
	next    http.Handler
	logger  *slog.Logger
	metrics *metrics     // nil for none, as on the admin port
	tracer  trace.Tracer // nil for none
}

type metrics struct {
	seconds *prometheus.HistogramVec
	running prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	if r == nil {
		return nil
	}
	f := promauto.With(r)
	return &metrics{
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "movies", Subsystem: "api", Name: "request_seconds", Help: "Duration of requests, by route and status.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"route", "status"}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Namespace: "movies", Subsystem: "api", Name: "requests_running", Help: "Requests in flight, streams included.",
		}),
	}
}

func (s *watch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID(r.Header.Get(idHeader))
	w.Header().Set(idHeader, id)
	ctx := context.WithValue(r.Context(), idKey{}, id)
	watched := &watchedWriter{ResponseWriter: w}
	if s.tracer != nil {
		var span trace.Span
		ctx, span = begin(ctx, s.tracer, r)
		defer func() { end(span, watched, r) }()
	}
	r = r.WithContext(ctx)
	if s.metrics != nil {
		s.metrics.running.Inc()
		start := time.Now()
		defer func() { s.account(watched, r, time.Since(start)) }()
	}
	defer func() {
		if v := recover(); v != nil {
			s.panicked(watched, r, v)
		}
	}()
	s.next.ServeHTTP(watched, r)
}

// panicked logs a panic and answers 500. A response that has begun is aborted, so that the
// client does not take it for complete.
func (s *watch) panicked(w *watchedWriter, r *http.Request, v any) {
	if v == http.ErrAbortHandler { //nolint:errorlint // as net/http does
		abort(w, r)
	}
	s.logger.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "value", v, "stack", string(debug.Stack()))
	if w.status > 0 {
		abort(w, r)
	}
	answerPanic(w)
}

func answerPanic(w http.ResponseWriter) {
	header := w.Header()
	for _, ofTheAnswer := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Link"} {
		header.Del(ofTheAnswer)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"internal error"}` + "\n"))
}

// clientGone is the status in logs and metrics of a request whose client disconnected
// before the response (nginx's code).
const clientGone = 499

func (s *watch) account(w *watchedWriter, r *http.Request, took time.Duration) {
	ctx, status := r.Context(), w.answered(r)
	s.metrics.running.Dec()
	observe(ctx, s.metrics.seconds.WithLabelValues(route(r), strconv.Itoa(status)), took)
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	s.logger.LogAttrs(ctx, level, "request",
		slog.String("method", r.Method), slog.String("uri", r.RequestURI), slog.Int("status", status),
		slog.Int64("bytes", w.bytes), slog.String("took", took.Round(time.Microsecond).String()), slog.String("from", r.RemoteAddr))
}

// route returns the pattern that matched the request, so that there are few label values.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "other"
	}
	return r.Pattern
}

// idHeader carries a request's id. An id set by a proxy is kept.
const idHeader = "X-Request-Id"

type idKey struct{}

func requestID(given string) string {
	if isID(given) {
		return given
	}
	const digits = 16
	return strconv.FormatUint(rand.Uint64()|1<<63, digits) //nolint:gosec // an identifier, not a secret
}

func isID(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// WithRequestID returns a logger that adds a request's id to the lines logged for it.
func WithRequestID(l *slog.Logger) *slog.Logger { return slog.New(idHandler{l.Handler()}) }

type idHandler struct{ slog.Handler }

func (h idHandler) Handle(ctx context.Context, r slog.Record) error {
	if id, ok := ctx.Value(idKey{}).(string); ok {
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h idHandler) WithAttrs(a []slog.Attr) slog.Handler { return idHandler{h.Handler.WithAttrs(a)} }
func (h idHandler) WithGroup(name string) slog.Handler   { return idHandler{h.Handler.WithGroup(name)} }

// watchedWriter records the status of the response.
type watchedWriter struct {
	http.ResponseWriter
	status int // 0 before the response begins
	bytes  int64
}

func (w *watchedWriter) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// answered returns the status of a completed request.
func (w *watchedWriter) answered(r *http.Request) int {
	switch {
	case w.status > 0:
		return w.status
	case r.Context().Err() != nil:
		return clientGone
	}
	return http.StatusOK // net/http's default
}

func (w *watchedWriter) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError implements the interface of http.ResponseController.
func (w *watchedWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *watchedWriter) Flush() { _ = w.FlushError() } // the next write returns the error

// Unwrap implements the interface of http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
