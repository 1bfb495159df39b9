package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// BenchmarkTracing measures the cost of a span in an empty request.
func BenchmarkTracing(b *testing.B) {
	for name, tracing := range map[string]trace.TracerProvider{
		"off":     nil,
		"sampled": sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter())),
		"dropped": sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
	} {
		b.Run(name, func(b *testing.B) {
			mux := http.NewServeMux()
			mux.HandleFunc("/movies", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			s := &watch{mux, slog.New(slog.DiscardHandler), newMetrics(prometheus.NewRegistry()), newTracer(tracing)}
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/movies", nil)
			b.ReportAllocs()
			for b.Loop() {
				s.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
