package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/telemetry"
	"jpmovies/internal/worker"
)

func newReplay() *cobra.Command {
	var since, until, prefix string
	command := &cobra.Command{
		Use:   "replay",
		Short: "Apply again what a versioned bucket still has",
		Long: `Applies the updates of all versions that a versioned S3 bucket keeps, with their
times, for a database that has lost commits: after a fail-over, or restored from an
old copy. It changes nothing in the bucket. Newest wins, so it may run at any time,
twice, and beside workers. --until into an empty database gives the catalogue of
that time.`,
		Example: `  jpmovies replay --since 2026-11-28T00:00:00Z
  MOVIES_DB_FILE=then.sqlite jpmovies replay --until 2026-11-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var r replay
			for _, bound := range []struct {
				flag, text string
				at         *time.Time
			}{{"--since", since, &r.since}, {"--until", until, &r.until}} {
				var err error
				if bound.text == "" {
					continue
				}
				if *bound.at, err = time.Parse(time.RFC3339, bound.text); err != nil {
					return badUsage("%s is %q, expected a time such as 2026-11-28T15:04:05Z", bound.flag, bound.text)
				}
			}
			if !r.until.IsZero() && r.until.Before(r.since) {
				return badUsage("--until is before --since")
			}
			if err := config.Parse(&r.config); err != nil {
				return err
			}
			if r.config.BucketDir != "" {
				return badUsage("MOVIES_BUCKET_DIR is a folder, which keeps no versions; expected a versioned bucket in MOVIES_BUCKET_NAME")
			}
			if command.Flags().Changed("prefix") {
				r.config.BucketPrefix = prefix
			}
			return r.run(command.Context(), command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&since, "since", "", "only versions written at or after this time (RFC 3339)")
	flags.StringVar(&until, "until", "", "only versions written at or before this time (RFC 3339)")
	flags.StringVar(&prefix, "prefix", "", "only keys under it, instead of MOVIES_BUCKET_PREFIX")
	return command
}

// replay is one run of the command.
type replay struct {
	config       config.Replay
	since, until time.Time
}

// The concurrency and the batch of a replay are the defaults of a worker.
const (
	replayConcurrency = 64
	replayBatch       = 500
)

func (r *replay) run(ctx context.Context, out io.Writer) error {
	c := r.config
	if c.LogLevel == slog.LevelInfo {
		c.LogLevel = slog.LevelWarn // the line of a pass would say that objects were removed
	}
	bar := newProgress(os.Stderr)
	var log io.Writer = os.Stderr
	if bar != nil {
		log = bar
	}
	logger := newLogger(c.Log, log)
	db, err := openDatabase(c.Database, false, logger)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the last commit has been answered
	if err := db.CheckSchema(ctx); err != nil {
		return err
	}
	store, err := s3bucket.Open(ctx, s3bucket.Options{
		Name: c.BucketName, Prefix: c.BucketPrefix, PathStyle: c.BucketPathStyle,
		PageSize: c.BucketItemsLimit, Concurrency: replayConcurrency, Logger: logger,
	})
	if err != nil {
		return err
	}
	versions, err := store.Versions(ctx, r.since, r.until)
	if err != nil {
		return err
	}
	counted := &imported{Catalogue: catalogue.New(db)}
	limitMemory(replayConcurrency, replayBatch)
	w := worker.New(worker.Options{
		Store: versions, Catalogue: counted, Concurrency: replayConcurrency, Batch: replayBatch, Prepare: db.CheckSchema,
		IdleMin: time.Second, IdleMax: time.Second, ShutdownTimeout: 20 * time.Second, Logger: logger, Metrics: telemetry.Metrics(),
	})
	ctx, cancel := interruptible(ctx, "replay", logger)
	defer cancel()
	bar.follow(w.Progress)
	start := time.Now()
	err = w.Once(ctx)
	bar.stop()
	if err == nil && ctx.Err() != nil {
		err = errors.New("stopped before the end; run it again to apply the rest")
	}
	_, printed := fmt.Fprintf(out, "%d updates applied again, %d movies changed, %d updates rejected, %d versions gone, in %s\n",
		counted.updates.Load(), counted.changes.Load(), counted.rejections.Load(), versions.Gone(), time.Since(start).Round(time.Millisecond))
	return errors.Join(err, printed)
}
