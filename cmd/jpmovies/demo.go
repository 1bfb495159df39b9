package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/bucket/dirbucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/database"
	"jpmovies/internal/report"
	"jpmovies/internal/server"
	"jpmovies/internal/telemetry"
	"jpmovies/internal/worker"
)

// films are the demo's movies.
//
//go:embed films.ndjson
var films []byte

// demoPause is the pause between listings of the demo's folder. A dropped file should be
// served within two seconds, and listing a folder costs little.
const demoPause = 250 * time.Millisecond

func newDemo() *cobra.Command {
	dir := "jpmovies-demo"
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run API and worker on a folder and a SQLite file, with a few films",
		Long: `Needs nothing but this program: creates a folder for files to drop and a SQLite
file, passes a few well-known films through the worker, and serves them until
SIGINT or SIGTERM. The next run continues with the same files.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runDemo(command.Context(), dir, command.OutOrStdout())
		},
	}
	command.Flags().StringVar(&dir, "dir", dir, "where to create the folder inbox and the file movies.sqlite")
	return command
}

func runDemo(ctx context.Context, dir string, out io.Writer) error {
	var c config.Demo
	if err := config.Parse(&c); err != nil {
		return err
	}
	logger := newLogger(c.Log, stderr)
	listener, err := server.Listen(ctx, c.APIAddr)
	if err != nil {
		return fmt.Errorf("MOVIES_API_ADDR: %w", err)
	}
	inbox := filepath.Join(dir, "inbox")
	if err := os.MkdirAll(inbox, 0o750); err != nil {
		return err
	}
	options := databaseOptions(config.Database{DBFile: filepath.Join(dir, "movies.sqlite")}, true, logger)
	options.Exports = c.Exports
	db, err := database.Open(options)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // every commit has been answered
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	records := catalogue.New(db)
	metrics := telemetry.Metrics(version())
	store, err := dirbucket.Open(inbox, dirbucket.Options{Logger: logger})
	if err != nil {
		return err
	}
	w := worker.New(worker.Options{
		Store: store, Catalogue: records, Status: records, Housekeeping: records, Durability: db.Durability, ServerTime: db.ServerTime, Concurrency: 8, Batch: 500, Prepare: db.CheckSchema,
		IdleMin: demoPause, IdleMax: demoPause, ShutdownTimeout: c.ShutdownTimeout,
		KeepRejections: days(30), KeepChanges: days(30), Logger: logger, IdleLevel: slog.LevelDebug, Metrics: metrics,
	})
	if err := seed(ctx, records, w, inbox); err != nil {
		return err
	}
	if err := greet(out, moviesURL(listener), inbox); err != nil {
		return err
	}
	handler := newAPIHandler(c.Serving, records, false, logger, metrics)
	operations := &api.Operations{Records: records, Tracer: audit.New(db), Logger: logger, Waiting: func(ctx context.Context, key string) (*report.Waiting, error) {
		return waiting(ctx, store, "", key)
	}}
	sections := map[string]server.Section{"process": processSection("demo"), "catalogue": operations.Catalogue, "api": handler.Overview, "worker": w.Overview}
	admin := server.Admin(metrics, append(workerChecks(db, w), indexChecks(c.Serving, handler)...), sections, adminRoutes(operations))
	serving := serverOptions(c.Process, c.Serving, logger, metrics)
	serving.LameDuck = 0 // there is no balancer; Ctrl-C ends it at once
	return runWithAdmin(ctx, "demo", c.Process, logger, admin, func(ctx context.Context) error {
		return together(ctx, w.Run, func(ctx context.Context) error { return serveMovies(ctx, listener, handler, serving) })
	})
}

// seed passes the films through the worker at the first start.
func seed(ctx context.Context, movies *catalogue.Catalogue, w *worker.Worker, inbox string) error {
	revision, err := movies.Revision(ctx)
	if err != nil || revision > 0 {
		return err
	}
	// Write under a hidden name, and then rename: the file is complete when it appears,
	// and old enough to be read at once.
	hidden := filepath.Join(inbox, ".films.ndjson")
	_ = os.Remove(hidden) // of a start that was interrupted

	file, err := os.OpenFile(hidden, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in the folder that the user names
	if err != nil {
		return err
	}
	_, err = file.Write(films)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	aMinuteAgo := time.Now().Add(-time.Minute)
	err = errors.Join(os.Chtimes(hidden, aMinuteAgo, aMinuteAgo), os.Rename(hidden, filepath.Join(inbox, "films.ndjson")))
	if err != nil {
		return err
	}
	return w.Once(ctx)
}

func greet(out io.Writer, url, inbox string) error {
	folder, err := filepath.Abs(inbox)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `
  Look at the movies at      %s
  Programs read them at      %s
  Drop JSON files into       %s

  Try:  curl '%s?genre=Action'
        echo '{"title": "My film", "year": 2026, "genres": ["Drama"]}' > '%s/my-film.json'

  Ctrl-C stops it.

`, strings.TrimSuffix(url, "movies"), url, folder, url, folder)
	return err
}
