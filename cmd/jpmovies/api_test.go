package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/server"
	"jpmovies/internal/telemetry"
)

// TestListenerDies: serving ends with the listener's error, also beside a running worker.
// Otherwise the process would stay, look healthy and answer nobody.
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
	_ = l.Close() // makes Accept fail
	metrics := prometheus.NewRegistry()
	movies := newAPIHandler(config.Serving{Staleness: time.Second, CacheMB: 1}, catalogue.New(db), false, logger, metrics)
	worker := func(ctx context.Context) error { <-ctx.Done(); return nil }
	err = together(t.Context(), worker, func(ctx context.Context) error {
		return serveMovies(ctx, l, movies, server.Options{Logger: logger, Drain: time.Second})
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v, want the listener's error", err)
	}
}

// TestReadiness: the API is not ready until it has seen the schema. After that it stays ready
// without a database, until it drains.
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

// TestIndexChecks: the API is not ready until its first index is loaded. With the index off,
// there is no such check.
func TestIndexChecks(t *testing.T) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := openDatabase(config.Database{DBFile: filepath.Join(t.TempDir(), "movies.sqlite")}, true, logger) // without a schema
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for index, want := range map[string]string{"on": "index: the index is not loaded", "off": ""} {
		c := config.Serving{Staleness: time.Second, CacheMB: 1, Index: index}
		movies := newAPIHandler(c, catalogue.New(db), false, logger, prometheus.NewRegistry())
		w := httptest.NewRecorder()
		server.Admin(prometheus.NewRegistry(), indexChecks(c, movies), nil, nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		if ready := w.Code == http.StatusOK; ready != (index == "off") || !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("index %s: %d %s", index, w.Code, w.Body)
		}
	}
}

// TestGracePeriods: Kubernetes, systemd and Compose give a process enough time for all steps
// of its end.
func TestGracePeriods(t *testing.T) {
	var defaults config.Demo
	if err := config.Parse(&defaults); err != nil {
		t.Fatal(err)
	}
	seconds := func(text, pattern string) (sum time.Duration) {
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			n, _ := strconv.Atoi(found[1])
			sum += time.Duration(n) * time.Second
		}
		return sum
	}
	for name, own := range map[string]time.Duration{"api": lameDuck, "worker": s3bucket.CleanupTimeout} {
		text, err := os.ReadFile("../../deployment/k8s/base/" + name + "/deployment.yaml")
		if err != nil {
			t.Fatal(err)
		}
		before := seconds(string(text), `sleep: {seconds: (\d+)}`)
		need := before + own + defaults.ShutdownTimeout + adminDrain + telemetry.FlushTimeout
		if given := seconds(string(text), `terminationGracePeriodSeconds: (\d+)`); given <= need || strings.Contains(string(text), "preStop") != (before > 0) {
			t.Errorf("%s: the end may take %s, Kubernetes gives it %s", name, need, given)
		}
		if text, err = os.ReadFile("../../deployment/packages/jpmovies-" + name + ".service"); err != nil {
			t.Fatal(err)
		}
		if given := seconds(string(text), `TimeoutStopSec=(\d+)`); given <= need-before {
			t.Errorf("%s: the end may take %s, systemd gives it %s", name, need-before, given)
		}
	}
	text, err := os.ReadFile("../../deployment/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if given, need := seconds(string(text), `stop_grace_period: (\d+)s`)/2, lameDuck+defaults.ShutdownTimeout+adminDrain+telemetry.FlushTimeout; given <= need {
		t.Errorf("compose gives %s, the end may take %s", given, need)
	}
}
