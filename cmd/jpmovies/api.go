package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/spf13/cobra"

	"jpmovies/internal/api"
	"jpmovies/internal/config"
	"jpmovies/internal/server"
	"jpmovies/internal/telemetry"
)

func newAPI() *cobra.Command {
	return &cobra.Command{
		Use:   "api",
		Short: "Serve the movies over HTTP",
		Long: `Serves the catalogue over HTTP until SIGINT or SIGTERM; then it finishes the
requests that run. It only reads: its database user needs no right but SELECT.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return runAPI(command.Context()) },
	}
}

var errDraining = errors.New("draining")

func runAPI(ctx context.Context) error {
	var c config.API
	if err := config.Parse(&c); err != nil {
		return err
	}
	logger := newLogger(c.Log, stderr)
	db, err := openDatabase(c.Database, false, logger)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // it was only read
	listener, err := server.Listen(ctx, c.APIAddr)
	if err != nil {
		return err
	}
	var draining atomic.Bool
	checks := []server.Check{{Name: "database", Run: func(ctx context.Context) error {
		if draining.Load() {
			return errDraining
		}
		return db.CheckSchema(ctx)
	}}}
	return runWithAdmin(ctx, "API", c.Process, logger, telemetry.Metrics(), checks, func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { draining.Store(true) })()
		logger.Info("serving", "url", moviesURL(listener))
		return server.Serve(ctx, listener, api.New(db, logger), logger, c.ShutdownTimeout)
	})
}

func moviesURL(l net.Listener) string { return "http://" + l.Addr().String() + "/movies" }
