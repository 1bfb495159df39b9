// Package telemetry creates the logger, the metrics registry and the tracing of a process.
package telemetry

import (
	"io"
	"log/slog"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Logger returns a logger that writes to out as text or JSON. Lines logged within a span
// have its trace_id and span_id.
func Logger(out io.Writer, level slog.Level, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(spanHandler{slog.NewJSONHandler(out, options)})
	}
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey { // a person reads it
			a.Value = slog.StringValue(a.Value.Time().Format("15:04:05.000"))
		}
		return a
	}
	return slog.New(spanHandler{slog.NewTextHandler(out, options)})
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
