package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/server"
	"jpmovies/internal/telemetry"
	"jpmovies/internal/web"
)

func newAPI() *cobra.Command {
	return &cobra.Command{
		Use:   "api",
		Short: "Serve the movies over HTTP",
		Long: `Serves the catalogue over HTTP until SIGINT or SIGTERM; then it finishes the
requests in flight. It only reads: its database user needs no right but SELECT.
(A SQLite file must be writable nevertheless: its readers take locks beside it.)`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return runAPI(command.Context()) },
	}
}

var errDraining = errors.New("draining")

// readiness decides whether the API gets requests: not before it has seen the schema, and
// not while it drains. A database that goes away later does not make it unready, because
// that would take all processes out of service at once, and they still serve their index.
type readiness struct {
	check          func(context.Context) error
	draining, seen atomic.Bool
}

func (r *readiness) run(ctx context.Context) error {
	if r.draining.Load() {
		return errDraining
	}
	err := r.check(ctx)
	switch {
	case err == nil:
		r.seen.Store(true)
	case r.seen.Load():
		return server.Degraded{Cause: err}
	}
	return err
}

func runAPI(ctx context.Context) error {
	var c config.API
	if err := config.Parse(&c); err != nil {
		return err
	}
	lines := telemetry.NewLines(stderr)
	defer lines.Flush()
	debug.SetMemoryLimit(usableMemory())
	logger := newLogger(c.Log, lines)
	tracing, flush, err := telemetry.Tracing(ctx, "jpmovies-api", version(), logger)
	if err != nil {
		return wrong(err)
	}
	defer flush()
	db, err := openTraced(c.Database, c.DBReadHost, c.Exports, logger, tracing)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // read-only
	listener, err := server.Listen(ctx, c.APIAddr)
	if err != nil {
		return fmt.Errorf("MOVIES_API_ADDR: %w", err)
	}
	ready := &readiness{check: db.CheckSchema}
	metrics := telemetry.Metrics(version())
	metrics.MustRegister(db.Collectors()...)
	handler := newAPIHandler(c.Serving, catalogue.New(db), db.Replicated(), logger, metrics)
	checks := append([]server.Check{{Name: "database", Run: ready.run}}, indexChecks(c.Serving, handler)...)
	operations := &api.Operations{Records: catalogue.New(db), Tracer: audit.New(db), Logger: logger}
	sections := map[string]server.Section{"process": processSection("API"), "catalogue": operations.Catalogue, "api": handler.Overview}
	admin := server.Admin(metrics, checks, sections, adminRoutes(operations))
	return runWithAdmin(ctx, "API", c.Process, logger, admin, func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { ready.draining.Store(true) })()
		logger.Info("serving", "url", moviesURL(listener))
		serving := serverOptions(c.Process, c.Serving, logger, metrics)
		serving.Tracing = tracing
		return serveMovies(ctx, listener, handler, serving)
	})
}

// collectOften lets the heap grow by half instead of double between collections, unless
// GOGC says otherwise. Most of the heap is the index, which is long-lived, so this costs
// little and saves half of the index's size.
func collectOften() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50)
	}
}

// indexChecks makes the API ready when its index is loaded. A later load, after a restore
// of the database, is reported and leaves it ready.
func indexChecks(c config.Serving, handler *api.API) []server.Check {
	if c.Index != "on" {
		return nil
	}
	return []server.Check{{Name: "index", Run: func(context.Context) error {
		ready, err := handler.Loading()
		if ready && err != nil {
			return server.Degraded{Cause: err}
		}
		return err
	}}}
}

func newAPIHandler(c config.Serving, movies *catalogue.Catalogue, replicated bool, logger *slog.Logger, metrics prometheus.Registerer) *api.API {
	o := api.Options{
		Catalogue: movies, Logger: server.WithRequestID(logger), Staleness: c.Staleness, CacheBytes: int64(c.CacheMB) << 20,
		Exports: c.Exports, BasePath: c.BasePath, Version: version(), Metrics: metrics,
	}
	if c.Index == "on" {
		o.Source = movies
		collectOften()
	}
	if replicated {
		o.Missing = movies.Missing
	}
	return api.New(o)
}

// serveMovies serves until ctx is done, and then drains. It returns when a listener fails.
func serveMovies(ctx context.Context, l net.Listener, handler *api.API, o server.Options) error {
	return together(ctx,
		func(ctx context.Context) error { handler.Run(ctx); return nil },
		func(ctx context.Context) error { return server.Serve(ctx, l, web.Beside(handler), o) },
	)
}

// together runs all functions until they have ended. The first error ends the others and
// is returned: a process that has lost a part must not stay.
func together(ctx context.Context, all ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range all {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}

func moviesURL(l net.Listener) string { return "http://" + l.Addr().String() + "/movies" }

// lameDuck is how long clients and balancers have to move on after /readyz fails. It is
// too short for Kubernetes, where a preStop hook waits.
const lameDuck = time.Second

func serverOptions(c config.Process, s config.Serving, logger *slog.Logger, metrics prometheus.Registerer) server.Options {
	return server.Options{Logger: logger, LameDuck: lameDuck, IdleTimeout: s.IdleTimeout, Drain: c.ShutdownTimeout, Metrics: metrics}
}
