package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"jpmovies/internal/config"
	"jpmovies/internal/database"
)

func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Create or update the database schema",
		Long: `Brings the schema up to date, and creates a SQLite file when there is none.
Several processes may run it at once. Waits for a server that does not answer yet.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return runMigrate(command.Context()) },
	}
}

func runMigrate(ctx context.Context) error {
	var c config.Migrate
	if err := config.Parse(&c); err != nil {
		return err
	}
	logger := newLogger(c.Log, stderr)
	db, err := openDatabase(c.Database, true, logger)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // every step has been answered
	ctx, cancel := interruptible(ctx, "migration", logger)
	defer cancel()
	if err := reach(ctx, c.Database, db, logger); err != nil {
		return err
	}
	steps, err := db.Migrate(ctx)
	if err == nil {
		logger.Info("schema is up to date", "steps_run", len(steps))
	}
	return err
}

// reach waits for a server with growing pauses until it answers or ctx is done. It does not
// wait for a file, which no waiting makes readable.
func reach(ctx context.Context, c config.Database, db *database.DB, logger *slog.Logger) error {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := db.Ping(ctx)
		switch {
		case err == nil:
			return nil
		case c.DBFile != "":
			return fmt.Errorf("open %s: %w", c.DBFile, err)
		}
		logger.Warn("database cannot be used yet; retrying", "error", err, "retry_in", pause.String())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
