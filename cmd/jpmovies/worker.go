package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/database"
	"jpmovies/internal/queue"
	"jpmovies/internal/queue/sqsqueue"
	"jpmovies/internal/report"
	"jpmovies/internal/server"
	"jpmovies/internal/telemetry"
	"jpmovies/internal/worker"
)

func newWorker() *cobra.Command {
	var once, dry bool
	command := &cobra.Command{
		Use:   "worker",
		Short: "Drain the bucket into the database",
		Long: `Reads objects from the bucket, commits their updates, and deletes what was
committed. Runs until SIGINT or SIGTERM; then it finishes the objects in flight.

Invalid updates are removed from the bucket and stored in the table rejection.

With MOVIES_SQS_URL it learns of new objects from the bucket's events in that SQS
queue, and lists the bucket only every MOVIES_WORKER_RECONCILE (10m).

With MOVIES_WORKER_CONCURRENCY=auto it reads as many objects at a time as S3 answers
without refusing or slowing down, from 16 to 512, and as fit into the memory of the
container or into GOMEMLIMIT.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if once && dry {
				return badUsage("expected --once or --dry-run, not both")
			}
			if dry {
				return runDry(command.Context(), command.OutOrStdout())
			}
			return runWorker(command.Context(), once)
		},
	}
	command.Flags().BoolVar(&once, "once", false, "make passes until the bucket is empty, then exit; fail when one makes no progress, or when files are still being written after a minute")
	command.Flags().BoolVar(&dry, "dry-run", false, "print what would be done with each object, and change nothing")
	return command
}

func runDry(ctx context.Context, out io.Writer) error {
	var c config.DryRun
	if err := config.Parse(&c); err != nil {
		return err
	}
	logger := newLogger(c.Log, stderr)
	store, err := openStore(ctx, c.Bucket, concurrency{most: 1}, logger)
	if err != nil {
		return err
	}
	ctx, cancel := interruptible(ctx, "dry run", logger)
	defer cancel()
	checkPrefix(ctx, store, logger)
	return dryRun(ctx, store, worker.Shard(c.Shard), out)
}

func runWorker(ctx context.Context, once bool) error {
	var c config.Worker
	if err := config.Parse(&c); err != nil {
		return err
	}
	var out io.Writer = os.Stderr
	bar := newProgress()
	defer bar.stop()
	if bar != nil {
		out = bar
	}
	logger := newLogger(c.Log, out)
	tracing, flush, err := telemetry.Tracing(ctx, "jpmovies-worker", version(), logger)
	if err != nil {
		return wrong(err)
	}
	defer flush()
	db, err := openTraced(c.Database, config.Host{}, 0, logger, tracing)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the last commit has been answered
	reads := concurrencyOf(c.Concurrency, c.BucketDir != "", c.Batch)
	store, err := openStore(ctx, c.Bucket, reads, logger)
	if err != nil {
		return err
	}
	hints, err := openHints(ctx, c)
	if err != nil {
		return err
	}
	records := catalogue.New(db)
	prepare, prove := preparation(db, store, logger)
	limitMemory(reads, c.Batch)
	metrics := telemetry.Metrics(version())
	metrics.MustRegister(db.Collectors()...)
	w := worker.New(worker.Options{
		Store: store, Catalogue: records, Status: records, Housekeeping: records, Durability: db.Durability, ServerTime: db.ServerTime, Concurrency: reads.most, Batch: c.Batch,
		Prepare: prepare, Prove: prove,
		Shard: worker.Shard(c.Shard), IdleMin: min(time.Second, c.IdleMax), IdleMax: c.IdleMax, ShutdownTimeout: c.ShutdownTimeout,
		Hints:          hints,
		KeepRejections: days(c.RejectionDays), KeepChanges: days(c.ChangeDays), Logger: logger, Metrics: metrics, Tracing: tracing,
	})
	bar.follow(w.Progress)
	if once {
		ctx, cancel := interruptible(ctx, "worker", logger)
		defer cancel()
		return w.Once(ctx)
	}
	operations := &api.Operations{Records: records, Tracer: audit.New(db), Logger: logger, Waiting: func(ctx context.Context, key string) (*report.Waiting, error) {
		return waiting(ctx, store, c.BucketPrefix, key)
	}}
	sections := map[string]server.Section{"process": processSection("worker"), "catalogue": operations.Catalogue, "worker": w.Overview}
	admin := server.Admin(metrics, workerChecks(db, w), sections, adminRoutes(operations))
	return runWithAdmin(ctx, "worker", c.Process, logger, admin, w.Run)
}

// openHints opens the queue, if one is configured.
func openHints(ctx context.Context, c config.Worker) (worker.Hints, error) {
	if c.QueueURL == "" {
		return worker.Hints{}, nil
	}
	events, err := sqsqueue.Open(ctx, c.QueueURL)
	return worker.Hints{
		Queue: events, Name: path.Base(c.QueueURL), Scope: queue.Scope{Bucket: c.BucketName, Prefix: c.BucketPrefix}, Reconcile: c.Reconcile,
	}, wrong(err)
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

func workerChecks(db *database.DB, w *worker.Worker) []server.Check {
	return []server.Check{{Name: "database", Run: db.CheckSchema}, {Name: "pass", Run: w.Ready}}
}

// adminDrain is how long requests to the admin port may take at the end.
const adminDrain = time.Second

// runWithAdmin runs work until a signal, with the admin port beside it until work has
// ended. It tells systemd how the process is.
func runWithAdmin(ctx context.Context, name string, c config.Process, logger *slog.Logger, admin http.Handler,
	work func(context.Context) error,
) error {
	signalled, cancel := interruptible(ctx, name, logger)
	defer cancel()
	listener, err := server.Listen(ctx, c.AdminAddr)
	if err != nil {
		return fmt.Errorf("MOVIES_ADMIN_ADDR: %w", err)
	}
	logger.Info(name+" starts", "admin", listener.Addr().String(), "version", version())
	ended, end := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error {
		defer cancel()
		err := server.Serve(ended, listener, admin, server.Options{Logger: logger, Drain: adminDrain})
		if err != nil && ended.Err() != nil { // a request that is cut off when the work is done is no failure of it
			logger.Warn("a request to the admin port was cut off", "error", err)
			return nil
		}
		return err
	})
	group.Go(func() error {
		server.Notify(signalled, listener.Addr().String(), logger)
		return nil
	})
	group.Go(func() error {
		defer end()
		return work(signalled)
	})
	return group.Wait()
}
