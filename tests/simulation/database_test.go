package simulation

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"jpmovies/internal/database"
)

// triggers make a real database fail: it refuses one title for good, and a transaction fails in
// its middle if the simulation says so.
var triggers = []string{
	"CREATE TABLE simulation (number INTEGER)",
	"CREATE TRIGGER refuse BEFORE INSERT ON movie WHEN NEW.title = '" + refusedTitle + "' BEGIN SELECT RAISE(ABORT, '" + refusedWords + "'); END",
	"CREATE TRIGGER step1 AFTER INSERT ON movie" + step,
	"CREATE TRIGGER step2 AFTER UPDATE ON movie" + step,
	"CREATE TRIGGER step3 AFTER INSERT ON movie_cast" + step,
	"CREATE TRIGGER step4 AFTER DELETE ON movie_cast" + step,
	"CREATE TRIGGER step5 AFTER INSERT ON rejection" + step,
	"CREATE TRIGGER step6 AFTER UPDATE ON catalogue" + step,
	"CREATE TRIGGER step7 AFTER INSERT ON change_log" + step,
}

const (
	step         = " BEGIN SELECT simulation_step(number) FROM simulation; END"
	refusedTitle = "refused"
	refusedWords = "this title is not taken"
)

// running maps seeds to simulations, for the database's function.
var running sync.Map

func init() {
	sqlite.MustRegisterScalarFunction("simulation_step", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		s, ok := running.Load(args[0])
		if !ok {
			return nil, errors.New("no such simulation")
		}
		return nil, s.(*simulation).statement()
	})
}

// statement returns errFault for the statement that must fail. The transaction holds the lock.
func (s *simulation) statement() error {
	if s.breaking == 0 {
		return nil
	}
	if s.breaking--; s.breaking == 0 {
		return errFault
	}
	return nil
}

func (s *simulation) forget() {
	running.CompareAndDelete(int64(s.seed), s)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(s.file + suffix) // TestMain removes the folder anyway
	}
}

// folder holds the databases: in memory if possible, because crashes of the disk are tested
// elsewhere, with real kills.
var folder string

func TestMain(m *testing.M) {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	var err error
	if folder, err = os.MkdirTemp(parent, "jpmovies-simulation-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// template returns a migrated database with the triggers.
var template = sync.OnceValues(func() ([]byte, error) {
	file := filepath.Join(folder, "template.sqlite")
	db, err := database.Open(database.Options{File: file, Create: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	_, err = db.Migrate(context.Background())
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	raw, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return nil, err
	}
	for _, statement := range triggers {
		if _, err := raw.ExecContext(context.Background(), statement); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
	}
	if err := raw.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

func copyTemplate(t *testing.T) string {
	t.Helper()
	content, err := template()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(folder, "*.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}
