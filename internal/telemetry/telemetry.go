// Package telemetry creates the logger, the metrics registry and the tracing of a process.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
)

// Logger returns a logger that writes to out as text or JSON. Lines logged within a span
// have its trace_id and span_id. If out is [Lines], they are flushed after a warning.
func Logger(out io.Writer, level slog.Level, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(handler{slog.NewJSONHandler(out, options), out})
	}
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey { // a person reads it
			a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
		}
		return a
	}
	return slog.New(handler{slog.NewTextHandler(out, options), out})
}

// handler adds the ids of the span, and flushes lines after a warning.
type handler struct {
	slog.Handler
	out io.Writer
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	err := h.Handler.Handle(ctx, r)
	if lines, ok := h.out.(*Lines); ok && r.Level >= slog.LevelWarn {
		lines.Flush()
	}
	return err
}

func (h handler) WithAttrs(a []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(a), h.out} }
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.out}
}

// Metrics returns a registry with the metrics of the process, the Go runtime and the
// program's version.
func Metrics(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "movies", Subsystem: "build", Name: "info", Help: "Always 1; the labels have the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build)
	return r
}
