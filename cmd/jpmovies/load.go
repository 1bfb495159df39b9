package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/config"
	"jpmovies/internal/worker"
)

// load is one run of a worker over a store that is no bucket to drain: the files of an
// import, or the versions of a replay.
type load struct {
	name     string
	database config.Database
	log      config.Log
	bar      *progressBar
	reads    concurrency
	// open opens the store when the database is known to be usable.
	open func(context.Context, *slog.Logger) (bucket.Store, error)
	// follow makes the bar show the worker's progress.
	follow bool
}

// loadBatch is the number of updates in a transaction, the default of a worker.
const loadBatch = 500

// loaded is the work that a load has committed.
type loaded struct {
	worker.Progress
	took time.Duration
}

var errStopped = errors.New("stopped before the end; run it again for the rest")

// run applies everything in the store. After an error, too, it returns what it has
// committed.
func (l load) run(ctx context.Context) (done loaded, err error) {
	defer l.bar.stop()
	var log io.Writer = os.Stderr
	if l.bar != nil {
		log = l.bar
	}
	logger := newLogger(l.log, log)
	db, err := openDatabase(l.database, false, logger)
	if err != nil {
		return done, err
	}
	defer func() { _ = db.Close() }()           // the last commit has been answered
	if err := db.CheckSchema(ctx); err != nil { // a worker would wait for the migration
		return done, err
	}
	store, err := l.open(ctx, logger)
	if err != nil {
		return done, err
	}
	limitMemory(l.reads, loadBatch)
	w := worker.New(worker.Options{
		Store: store, Catalogue: catalogue.New(db), Concurrency: l.reads.most, Batch: loadBatch, Prepare: db.CheckSchema,
		IdleMin: time.Second, IdleMax: time.Second, ShutdownTimeout: 20 * time.Second,
		Logger: logger, PassLevel: slog.LevelDebug, // its line would say that objects were removed
	})
	ctx, cancel := interruptible(ctx, l.name, logger)
	defer cancel()
	if l.follow {
		l.bar.follow(w.Progress)
	}
	start := time.Now()
	err = w.Once(ctx)
	done = loaded{w.Progress(), time.Since(start).Round(time.Millisecond)}
	if ctx.Err() != nil && (err == nil || errors.Is(err, worker.ErrStoppedLate)) {
		err = errStopped
	}
	return done, err
}
