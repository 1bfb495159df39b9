package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/dirbucket"
	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/config"
	"jpmovies/internal/database"
	"jpmovies/internal/telemetry"
)

var stderr io.Writer = os.Stderr

// newLogger returns a logger to out: text on a terminal, else JSON, unless configured.
func newLogger(c config.Log, out io.Writer) *slog.Logger {
	json := c.LogFormat == "json" || c.LogFormat == "" && !onTerminal()
	return telemetry.Logger(out, c.LogLevel, json)
}

func onTerminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

func openDatabase(c config.Database, create bool, logger *slog.Logger) (*database.DB, error) {
	return database.Open(databaseOptions(c, create, logger))
}

// openTraced opens a database, with spans of its statements if there is tracing. A
// replica, if configured, serves the reads. exports bounds concurrent exports.
func openTraced(c config.Database, replica config.Host, exports int, logger *slog.Logger, tracing trace.TracerProvider) (*database.DB, error) {
	o := databaseOptions(c, false, logger)
	o.Exports = exports
	o.ReplicaHost, o.ReplicaPort = replica.Name, cmp.Or(replica.Port, c.DBPort)
	if tracing != nil {
		o.OpenPool = database.TracedPool(tracing)
	}
	return database.Open(o)
}

func databaseOptions(c config.Database, create bool, logger *slog.Logger) database.Options {
	return database.Options{
		File: c.DBFile, Create: create,
		User: c.DBUser, Password: c.DBPassword, PasswordFile: c.DBPasswordFile, Name: c.DBName, Host: c.DBHost.Name,
		Port: cmp.Or(c.DBHost.Port, c.DBPort), TLS: c.DBTLS, Connections: c.DBConnections,
		Logger: logger,
	}
}

// store is a bucket that also accepts objects.
type store interface {
	bucket.Store
	Put(ctx context.Context, key string, body []byte) error
	// CheckPrefix warns when the prefix matches nothing but another spelling of it would.
	CheckPrefix(ctx context.Context) error
}

// openStore opens the bucket.
func openStore(ctx context.Context, c config.Bucket, reads concurrency, logger *slog.Logger) (store, error) {
	if c.BucketDir != "" {
		return dirbucket.Open(c.BucketDir, dirbucket.Options{PageSize: c.BucketItemsLimit, Prefix: c.BucketPrefix, Logger: logger})
	}
	b, err := s3bucket.Open(ctx, s3bucket.Options{
		Name: c.BucketName, Prefix: c.BucketPrefix, PathStyle: c.BucketPathStyle,
		PageSize: c.BucketItemsLimit, Concurrency: reads.most, Adaptive: reads.adaptive, Logger: logger,
	})
	return b, wrong(err)
}

// wrong returns an error of a library that rejects its environment variables as one of the
// configuration.
func wrong(err error) error {
	if err == nil {
		return nil
	}
	return &config.Error{Problems: []string{err.Error()}}
}

// prober is a store that has to find out how it can delete.
type prober interface {
	Reach(ctx context.Context) error
	Probe(ctx context.Context) error
}

// preparation returns the work that a worker does before its first pass and beside it.
func preparation(db *database.DB, s store, logger *slog.Logger) (prepare, prove func(context.Context) error) {
	p, probes := s.(prober)
	prepare = func(ctx context.Context) error {
		err := db.CheckSchema(ctx)
		if probes {
			err = errors.Join(err, p.Reach(ctx))
		}
		return err
	}
	prove = func(ctx context.Context) error {
		if probes {
			if err := p.Probe(ctx); err != nil {
				return err
			}
		}
		checkPrefix(ctx, s, logger)
		return nil
	}
	return prepare, prove
}

// checkPrefix ignores errors: it only gives advice.
func checkPrefix(ctx context.Context, s store, logger *slog.Logger) {
	if err := s.CheckPrefix(ctx); err != nil {
		logger.Debug("prefix not checked", "error", err)
	}
}

// interruptible returns a context that ends at the first SIGINT or SIGTERM. A second
// signal ends the process at once.
func interruptible(ctx context.Context, name string, logger *slog.Logger) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		logger.Warn("Stopping " + name + ". Press one more time to exit immediately!")
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}
