package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// FlushTimeout bounds the sending of the last spans, so that a silent collector does not
// hold up the end of the process.
const FlushTimeout = 5 * time.Second

// Tracing returns a provider that sends spans by OTLP over HTTP, as the OTEL_* variables
// say; nil when they name no endpoint. flush sends the remaining spans and ends the
// provider, within FlushTimeout.
func Tracing(ctx context.Context, service, version string, logger *slog.Logger) (provider trace.TracerProvider, flush func(), err error) {
	if !tracingWanted() {
		return nil, func() {}, nil
	}
	for _, problem := range otlpProblems() {
		logger.Warn("spans will probably be lost", "reason", problem)
	}
	otel.SetErrorHandler(&errorLog{logger: logger})
	otel.SetLogger(logr.FromSlogHandler(logger.Handler()))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv(), // overrides those above
	)
	if err != nil {
		logger.Warn("a resource attribute is not used", "error", err) // an invalid one of the environment
	}
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return spans, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), FlushTimeout)
		defer cancel()
		if err := spans.Shutdown(ctx); err != nil {
			otel.Handle(fmt.Errorf("flush: %w", err))
		}
	}, nil
}

// tracingWanted reports whether the environment names an endpoint and does not disable
// tracing.
func tracingWanted() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// otlpProblems returns the OTLP settings that cannot work, since the exporter speaks HTTP
// alone.
func otlpProblems() (problems []string) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if value := os.Getenv(name); value != "" && value != "http/protobuf" {
			problems = append(problems, fmt.Sprintf("%s is %q, but only http/protobuf is supported", name, value))
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		value := os.Getenv(name)
		u, err := url.Parse(value)
		switch {
		case value == "":
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			problems = append(problems, fmt.Sprintf("%s is %q, expected a URL such as http://collector:4318", name, value))
		case u.Port() == "4317":
			problems = append(problems, fmt.Sprintf("%s is %q, but 4317 is the gRPC port; the HTTP port is 4318", name, value))
		}
	}
	return problems
}

// remindEvery is the least time between two log lines about lost spans: every batch fails
// in the same way.
const remindEvery = time.Minute

// errorLog logs errors of tracing, at most one per remindEvery.
type errorLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	logged time.Time
}

// Handle implements otel.ErrorHandler.
func (l *errorLog) Handle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.logged) >= remindEvery {
		l.logged = now
		l.logger.Warn("spans are lost", "error", err)
	}
}
