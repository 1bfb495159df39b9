package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/config"
	"jpmovies/internal/server"
)

// TestListenerDies: serving ends with the listener's error, also where a worker runs
// beside it; else the process would stay, look healthy and answer nobody.
func TestListenerDies(t *testing.T) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := openDatabase(config.Database{DBFile: filepath.Join(t.TempDir(), "movies.sqlite")}, true, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // Accept fails
	metrics := prometheus.NewRegistry()
	movies := newServing(config.Serving{Staleness: time.Second, CacheMB: 1}, db, logger, metrics)
	worker := func(ctx context.Context) error { <-ctx.Done(); return nil }
	err = together(t.Context(), worker, func(ctx context.Context) error {
		return serveMovies(ctx, l, movies, server.Options{Logger: logger, Drain: time.Second})
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v, want the listener's error", err)
	}
}

// TestReadiness: the API is not ready before it has seen the schema; later a database
// that is away leaves it ready, until it drains.
func TestReadiness(t *testing.T) {
	away := errors.New("connection refused")
	database := away
	r := &readiness{check: func(context.Context) error { return database }}
	var degraded server.Degraded
	if err := r.run(t.Context()); !errors.Is(err, away) || errors.As(err, &degraded) {
		t.Errorf("at the start: %v", err)
	}
	database = nil
	if err := r.run(t.Context()); err != nil {
		t.Errorf("with a database: %v", err)
	}
	database = away
	if err := r.run(t.Context()); !errors.As(err, &degraded) || !errors.Is(err, away) {
		t.Errorf("database away: %v", err)
	}
	r.draining.Store(true)
	if err := r.run(t.Context()); !errors.Is(err, errDraining) {
		t.Errorf("draining: %v", err)
	}
}
