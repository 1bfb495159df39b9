package database_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

func TestFourProcessesMigrateAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		var processes sync.WaitGroup
		for range 4 {
			db, err := database.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			processes.Go(func() {
				if _, err := db.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if err := db.CheckSchema(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		processes.Wait()
		apply(t, databasetest.Open(t, o), 1, "T")
	})
}

// TestMigrateAfterAKill: Migrate continues after a kill between creating the version table and
// inserting its first row, which servers commit separately.
func TestMigrateAfterAKill(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		databasetest.Exec(t, databasetest.Raw(t, o), versionTable(o))
		db := databasetest.Open(t, o)
		if err := db.CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
		apply(t, db, 1, "T")
	})
}

// TestOldSchema: Migrate and CheckSchema leave the tables of a release before 1.0 alone and return
// an error.
func TestOldSchema(t *testing.T) {
	for name, statements := range map[string][]string{
		"all steps":          {"CREATE TABLE movie_word (name INTEGER)", "INSERT INTO schema_migration (version_id, is_applied) VALUES (1, 1), (21, 1)"},
		"first step":         {"INSERT INTO schema_migration (version_id, is_applied) VALUES (1, 1)"},
		"copy without steps": {"CREATE TABLE movie_word (name INTEGER)", "DROP TABLE schema_migration"},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, o database.Options) {
				db, err := database.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = db.Close() }()
				raw := databasetest.Raw(t, o)
				databasetest.Exec(t, raw, versionTable(o))
				databasetest.Exec(t, raw, "INSERT INTO schema_migration (version_id, is_applied) VALUES (0, 1)")
				for _, statement := range statements {
					databasetest.Exec(t, raw, statement)
				}
				if _, err := db.Migrate(t.Context()); !errors.Is(err, database.ErrOldSchema) || !strings.Contains(err.Error(), "jpmovies export") {
					t.Errorf("migrate: %v", err)
				}
				// A copy without its version table looks like a database that was never migrated.
				if err := db.CheckSchema(t.Context()); !errors.Is(err, database.ErrOldSchema) && !errors.Is(err, database.ErrNotMigrated) {
					t.Errorf("check: %v", err)
				} else if name != "copy without steps" && !errors.Is(err, database.ErrOldSchema) {
					t.Errorf("check: %v", err)
				}
				if _, err := raw.ExecContext(t.Context(), "SELECT 1 FROM movie_cast"); err == nil {
					t.Error("a step ran")
				}
			})
		})
	}
}

// versionTable returns the statement that creates the version table, as a migration does.
func versionTable(o database.Options) string {
	id := "id SERIAL PRIMARY KEY"
	if o.File != "" {
		id = "id INTEGER PRIMARY KEY AUTOINCREMENT"
	}
	return "CREATE TABLE schema_migration (" + id +
		", version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP)"
}

func TestSchemaIsChecked(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		empty, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = empty.Close() }()
		if err := empty.CheckSchema(t.Context()); !errors.Is(err, database.ErrNotMigrated) {
			t.Errorf("an empty database gives %v", err)
		}
		db := databasetest.Open(t, o)
		if err := db.CheckSchema(t.Context()); err != nil {
			t.Error(err)
		}
		raw := databasetest.Raw(t, o)
		for _, step := range []struct {
			statement string
			want      error
		}{
			{"INSERT INTO schema_migration (version_id, is_applied) VALUES (999, 1)", nil},
			{"DELETE FROM schema_migration WHERE version_id > 103", database.ErrNotMigrated},
		} {
			if _, err := raw.ExecContext(t.Context(), step.statement); err != nil {
				t.Fatal(err)
			}
			if err := db.CheckSchema(t.Context()); !errors.Is(err, step.want) {
				t.Errorf("after %s: %v, want %v", step.statement, err, step.want)
			}
		}
	})
}

// TestStepsMayRunAgain: a kill between a step and its version row must not block later migrations.
func TestStepsMayRunAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := databasetest.Open(t, o)
		if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "DELETE FROM schema_migration WHERE version_id > 0"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMigrateBesideAnExport: a step that waits for a long reader of its table does not block other
// readers, and completes when the long reader ends.
func TestMigrateBesideAnExport(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := databasetest.Open(t, o)
		raw := databasetest.Raw(t, o)
		if o.File != "" || strings.Contains(databasetest.Engine(t, o), "tidb") {
			t.Skip("nobody waits behind its steps")
		}
		apply(t, db, 1, "T")
		db.AddStep(t, "00900_later.sql", "ALTER TABLE movie ADD KEY later (year, title)")
		export, err := raw.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = export.Rollback() }() // the transaction only read
		var movies int
		if err := export.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM movie").Scan(&movies); err != nil {
			t.Fatal(err)
		}
		var steps []string
		migrated := make(chan error, 1)
		go func() {
			var err error
			steps, err = db.Migrate(context.WithoutCancel(t.Context()))
			migrated <- err
		}()
		waiting := func() bool {
			return databasetest.Query(t, raw, "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE '%metadata lock%' AND info LIKE 'ALTER TABLE movie %' AND db = '"+o.Name+"'", 1)[0][0] != "0"
		}
		for end := time.Now().Add(30 * time.Second); !waiting(); time.Sleep(10 * time.Millisecond) {
			if len(migrated) > 0 || time.Now().After(end) {
				t.Fatalf("no step waits for the export: %v", <-migrated)
			}
		}
		reader, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		if err := raw.QueryRowContext(reader, "SELECT COUNT(*) FROM movie").Scan(&movies); err != nil {
			t.Errorf("another reader: %v", err)
		}
		if err := export.Commit(); err != nil {
			t.Error(err)
		}
		if err := <-migrated; err != nil || len(steps) != 1 {
			t.Errorf("steps %q, %v", steps, err)
		}
	})
}

// TestSchemaFileIsCurrent compares db.sql, which is documentation, with the result of the
// migrations.
func TestSchemaFileIsCurrent(t *testing.T) {
	schema, err := os.ReadFile("../../db.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, dsn := range databasetest.Servers(t) {
		migrated := databasetest.Server(t, dsn)
		databasetest.Open(t, migrated)
		written := databasetest.Server(t, dsn)
		raw := databasetest.Raw(t, written)
		for statement := range strings.SplitSeq(string(schema), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := raw.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		if diff := cmp.Diff(describe(t, migrated), describe(t, written)); diff != "" {
			t.Errorf("db.sql differs from the migrations (-migrations +db.sql):\n%s", diff)
		}
	}
}

func describe(t *testing.T, o database.Options) []string {
	t.Helper()
	raw := databasetest.Raw(t, o)
	var tables []string
	for _, r := range databasetest.Query(t, raw, "SHOW TABLES", 1) {
		if !strings.HasPrefix(r[0], "schema_migration") {
			tables = append(tables, databasetest.Query(t, raw, "SHOW CREATE TABLE "+r[0], 2)[0][1])
		}
	}
	slices.Sort(tables)
	return append(tables, databasetest.Query(t, raw, "SELECT CONCAT_WS('|', id, revision, movies) FROM catalogue", 1)[0][0])
}

// apply commits one movie.
func apply(t *testing.T, db *database.DB, position int64, title string, genres ...string) {
	t.Helper()
	batch := movie.Batch{Updates: []movie.Update{{
		Identity: movie.Identity{Title: title, Year: 2000}, Genres: genres,
		Stamp: movie.Stamp{Time: movie.Time{Sec: 1}, Key: "key", Position: position},
	}}}
	if changes, err := catalogue.New(db).Apply(t.Context(), batch); err != nil || changes != 1 {
		t.Fatalf("%d changes, %v", changes, err)
	}
}
