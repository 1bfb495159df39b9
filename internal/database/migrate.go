package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// versionTable records the completed migrations.
const versionTable = "schema_migration"

// firstStep is the number of the first migration. Releases before 1.0 had another schema
// and lower numbers.
const firstStep = 101

// ErrOldSchema is returned for tables of a release before 1.0, which this program cannot
// read.
var ErrOldSchema = errors.New("the database was made by a release before 1.0. Run jpmovies export > movies.ndjson with that release, " +
	"then jpmovies migrate and jpmovies import movies.ndjson with this one on an empty database; ids, revisions and tombstones begin anew")

// ErrNotMigrated is returned when the schema is older than this program needs.
var ErrNotMigrated = errors.New("the database schema is not migrated: run jpmovies migrate")

// Migrate runs the missing migrations and returns their names. Several processes may call
// it at once: one works, the others wait.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	connections, err := db.patient()
	if err != nil {
		return nil, err
	}
	if connections != db.write {
		defer func() { _ = connections.Close() }() // every step has been answered
	}
	provider, err := db.migrations(connections)
	if err != nil {
		return nil, err
	}
	wait := backoff.NewExponentialBackOff()
	if db.server != nil {
		wait.InitialInterval = 3 * time.Second // lets those that waited behind the step go on
	}
	var steps []string
	// SQLite has no lock across migrations. Of two processes in the same one, the later
	// starts over and finds it done.
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		switch old, err := db.isOld(ctx, connections); {
		case err != nil:
			return struct{}{}, err
		case old:
			return struct{}{}, backoff.Permanent(ErrOldSchema)
		}
		results, err := provider.Up(ctx)
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			results = partial.Applied
		}
		for _, r := range results {
			steps = append(steps, path.Base(r.Source.Path))
		}
		if err != nil && strings.Contains(err.Error(), "missing zero version") {
			err = errors.Join(err, begin(ctx, connections))
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(5), backoff.WithMaxElapsedTime(0), backoff.WithNotify(
		func(err error, wait time.Duration) {
			db.logger.Warn("migration failed and will be retried", "error", err, "wait", wait)
		}))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return steps, nil
}

// isOld reports whether a release before 1.0 made the tables: by its recorded migrations
// or, in a copy of the tables alone, by a table that later releases lack.
func (db *DB) isOld(ctx context.Context, connections *sql.DB) (bool, error) {
	for _, query := range []string{
		"SELECT COUNT(*) FROM " + versionTable + " WHERE version_id > 0 AND version_id < " + strconv.Itoa(firstStep),
		"SELECT COUNT(*) + 1 FROM (SELECT 1 FROM movie_word LIMIT 1) here",
	} {
		var found int
		switch err := connections.QueryRowContext(ctx, query).Scan(&found); {
		case err != nil && !db.dialect.noTable(err):
			return false, err
		case err == nil && found > 0:
			return true, nil
		}
	}
	return false, nil
}

// begin inserts goose's first version. Servers commit each CREATE TABLE, so a process
// killed between it and the first row leaves an empty table, which goose refuses.
func begin(ctx context.Context, connections *sql.DB) error {
	_, err := connections.ExecContext(ctx, "INSERT INTO "+versionTable+" (version_id, is_applied) "+
		"SELECT 0, 1 FROM (SELECT 1 AS one) here WHERE NOT EXISTS (SELECT 1 FROM "+versionTable+" WHERE version_id = 0)")
	return err
}

// patient opens a pool without statement timeout, because a migration may build an index
// of millions of rows. It waits only briefly for readers of its table (an export, a dump),
// since all later statements queue behind it; then it is retried.
func (db *DB) patient() (*sql.DB, error) {
	if db.server == nil {
		return db.write, nil
	}
	config := db.server.Clone()
	config.ReadTimeout = 0
	config.Params["lock_wait_timeout"] = "2" // seconds; the API's reads of the revision time out after three
	config.Params["default_storage_engine"] = "InnoDB"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("database settings: %w", err)
	}
	return sql.OpenDB(connector), nil
}

func (db *DB) migrations(connections *sql.DB) (*goose.Provider, error) {
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if db.dialect == &sqliteDialect {
		return goose.NewProvider(goose.DialectSQLite3, connections, db.dialect.steps, options...)
	}
	locker, err := lock.NewMySQLTableLocker(
		lock.WithTableName(versionTable+"_lock"),
		lock.WithTableLockTimeout(500*time.Millisecond, 600),
		lock.WithTableRetryPolicy(func(err error) bool {
			return strings.Contains(err.Error(), "held by another instance") || db.dialect.judge(err) == retry
		}),
		lock.WithTableLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectMySQL, connections, db.dialect.steps, append(options, goose.WithLocker(locker))...)
}

// CheckSchema returns ErrNotMigrated when a migration is missing, and ErrOldSchema. It
// accepts a newer schema, since migrations expand first and contract later. It needs only
// the right to SELECT.
func (db *DB) CheckSchema(ctx context.Context) error {
	if err := db.file.check(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(db.dialect.steps, ".")
	if err != nil {
		return err
	}
	digits, _, _ := strings.Cut(entries[len(entries)-1].Name(), "_")
	want, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return err
	}
	var have, first sql.NullInt64
	err = db.read.QueryRowContext(ctx, "SELECT MAX(version_id), MIN(CASE WHEN version_id > 0 THEN version_id END) FROM "+
		versionTable+" WHERE is_applied = 1").Scan(&have, &first)
	switch {
	case db.dialect.noTable(err):
		return ErrNotMigrated
	case err != nil:
		return fmt.Errorf("%s: %w", db.name(), err)
	case first.Valid && first.Int64 < firstStep:
		return ErrOldSchema
	case have.Int64 < want:
		return fmt.Errorf("%w (it is at step %d of %d)", ErrNotMigrated, have.Int64, want)
	}
	return nil
}
