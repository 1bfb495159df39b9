package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func newTracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		return nil
	}
	return p.Tracer("jpmovies/internal/server")
}

// begin starts the span of a request, below the client's span if the request names one.
func begin(ctx context.Context, t trace.Tracer, r *http.Request) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	return t.Start(ctx, method(r), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method(r)), attribute.String("url.path", r.URL.Path),
	))
}

// end ends the span. It sets the name, because the route is only known now.
func end(span trace.Span, w *watchedWriter, r *http.Request) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if r.Pattern != "" {
		_, path, found := strings.Cut(r.Pattern, " ")
		if !found {
			path = r.Pattern
		}
		span.SetName(method(r) + " " + path)
		span.SetAttributes(attribute.String("http.route", path))
	}
	status := w.answered(r)
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

// method returns the request's method if HTTP defines it, so that there are few span
// names.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return r.Method
	}
	return "_OTHER"
}

// observe records a request, with its trace as the exemplar if it is sampled.
func observe(ctx context.Context, seconds prometheus.Observer, took time.Duration) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsSampled() {
		seconds.Observe(took.Seconds())
		return
	}
	seconds.(prometheus.ExemplarObserver).ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
}
