package tests

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/database/migrations"
)

// releasedObjects are the objects from which the databases in testdata/releases were made.
var releasedObjects = []stored{
	{"a.ndjson", time.Date(2026, 11, 1, 10, 0, 0, 123456789, time.UTC), []byte(`{"title": "Alien", "year": 1979, "cast": ["Ian Holm", "O'Neil \\ \" é 中 🎬"], "genres": ["Horror"]}
{"title": "Heat", "year": 1995, "cast": ["Al Pacino"], "genres": ["Crime"]}
{"title": "Big", "year": "1988"}
{"title": "007", "year": 1}
{"title": "a\u2028b\u0001", "year": 9999, "cast": [], "genres": ["A", "a"]}
`)},
	{"sub/b é'\".json", time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC), []byte(`{"title": "Alien", "year": 1979, "genres": ["Horror", "Science Fiction"]}`)},
	{"c.json", time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC), []byte(`{"title": "Heat", "year": 1995, "deleted": true}`)},
	{"d.json", time.Date(1902, 1, 1, 0, 0, 0, 0, time.UTC), []byte(`{"title": "Late", "year": 2000, "cast": ["too old"]}`)},
	{"e.json", time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC), []byte(`{"title": "Early", "year": 2000, "cast": ["from the future"]}`)},
	{"f.json", time.Date(2026, 11, 4, 10, 0, 0, 0, time.UTC), []byte(`{"title": "Gone", "year": 2000, "deleted": true}`)},
	{"g.json", time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC), []byte(`{"title": "Gone", "year": 2000, "genres": ["back"]}`)},
	{"h.json", time.Date(2026, 11, 6, 10, 0, 0, 0, time.UTC), []byte(`{"title": "broken"`)},
}

// newerObjects are drained by the present program. They test that it understands the data of
// the older one: an update between two known ones, and one that restores a movie.
var newerObjects = []stored{
	{"i.json", time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), []byte(`{"title": "Alien", "year": 1979, "cast": ["Sigourney Weaver"], "genres": ["too old"]}`)},
	{"j.json", time.Date(2026, 11, 3, 10, 0, 1, 0, time.UTC), []byte(`{"title": "Heat", "year": 1995, "genres": ["Crime"]}`)},
	{"k.json", time.Date(2026, 11, 7, 10, 0, 0, 0, time.UTC), []byte(`{"title": "Late", "year": 2000, "genres": ["G"]}
{"title": "Early", "year": 2000, "cast": ["too old"], "genres": ["G"]}
{"title": "New", "year": 2026}
{"title": "New", "year": true}
`)},
}

// released returns the pattern of the dumps in the database's dialect.
func released(o database.Options) string {
	if o.File != "" {
		return "testdata/releases/*.sqlite.sql"
	}
	return "testdata/releases/*.mysql.sql"
}

// TestReleasedDatabases opens the databases of all earlier releases. migrate and verify accept
// them, the API shows all their data, and newer and older updates merge with it.
//
// With MOVIES_TEST_WRITE_RELEASE it writes the database of the present program under that name
// instead. Do that for each release, and never change existing dumps.
func TestReleasedDatabases(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		if name := os.Getenv("MOVIES_TEST_WRITE_RELEASE"); name != "" {
			writeRelease(t, o, name)
			return
		}
		dumps, err := filepath.Glob(released(o))
		if err != nil || len(dumps) == 0 {
			t.Fatalf("no dumps: %v", err)
		}
		for _, dump := range dumps {
			t.Run(filepath.Base(dump), func(t *testing.T) { testReleased(t, another(t, o), dump) })
		}
	})
}

// keeping makes workers keep old rejections and changes.
var keeping = []string{"MOVIES_REJECTION_DAYS=36500", "MOVIES_CHANGE_DAYS=36500"}

func (s *site) drainObjects(t *testing.T, objects []stored) {
	t.Helper()
	for _, o := range objects {
		dir := filepath.Join(s.inbox.(folder).dir, filepath.Dir(o.key))
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := putDurably(dir, stored{filepath.Base(o.key), o.modified, o.body}); err != nil {
			t.Fatal(err)
		}
	}
	if p := s.start(t, "worker", "--once"); p.exit(t) != 0 {
		t.Fatal(p.log())
	}
}

func testReleased(t *testing.T, o database.Options, dump string) {
	text, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	raw := databasetest.Raw(t, o)
	for statement := range strings.SplitSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) != "" {
			databasetest.Exec(t, raw, statement)
		}
	}
	shown := shownIDs(t, raw)
	s := newSite(t, o, newFolder(t)) // migrates
	s.env = append(s.env, keeping...)
	if got := s.output(t, "verify"); !bytes.Contains(got, []byte("all tables agree")) {
		t.Errorf("verify: %s", got)
	}
	if diff := cmp.Diff(lawful(t, releasedObjects), withoutETags(content(t, o))); diff != "" {
		t.Errorf("what was stored (-want +got):\n%s", diff)
	}
	if got := s.output(t, "trace", "c.json"); !bytes.Contains(got, []byte("movie 2: revision")) {
		t.Errorf("trace: %s", got)
	}
	if got := s.output(t, "rejections", "show", "1"); !bytes.Contains(got, []byte(`"1988"`)) {
		t.Errorf("rejections show 1: %s", got)
	}
	s.drainObjects(t, newerObjects)
	if diff := cmp.Diff(lawful(t, slices.Concat(releasedObjects, newerObjects)), withoutETags(content(t, o))); diff != "" {
		t.Errorf("what was stored, and what came then (-want +got):\n%s", diff)
	}
	if got := s.output(t, "verify"); !bytes.Contains(got, []byte("all tables agree")) {
		t.Errorf("verify afterwards: %s", got)
	}
	for _, movie := range shownIDs(t, raw)[:len(shown)] {
		if !slices.Contains(shown, movie) {
			t.Errorf("%s had another id", movie)
		}
	}
	api := s.serve(t)
	s.waitSeen(t, api)
	if got := walk(t, api, "/movies"); len(got) != 8 || got[0].Title != "New" {
		t.Errorf("the API shows %+v", got)
	}
}

// shownIDs returns ids with titles, by id.
func shownIDs(t *testing.T, raw *sql.DB) []string {
	t.Helper()
	return texts(t, raw, "SELECT CONCAT_WS(' ', 1000000 + id, title) FROM movie")
}

// writeRelease writes a dump of a database that the present program has made.
func writeRelease(t *testing.T, o database.Options, name string) {
	s := newSite(t, o, newFolder(t))
	s.env = append(s.env, keeping...)
	for _, object := range releasedObjects { // one by one, so that ids and revisions never vary
		s.drainObjects(t, []stored{object})
	}
	var steps fs.FS = migrations.MySQL
	id := "id SERIAL PRIMARY KEY"
	if o.File != "" {
		steps, id = migrations.SQLite, "id INTEGER PRIMARY KEY AUTOINCREMENT"
	}
	dump := []byte("CREATE TABLE schema_migration (" + id +
		", version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP);\n")
	err := fs.WalkDir(steps, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(steps, path)
		dump = append(dump, bytes.TrimPrefix(text, []byte("-- +goose Up\n"))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	dump = append(dump, "DELETE FROM catalogue;\n"...)
	raw := databasetest.Raw(t, o)
	for _, table := range []string{"movie", "movie_cast", "movie_genre", "change_log", "rejection", "worker_status", "catalogue", "ingest"} {
		dump = append(dump, dumpRows(t, raw, table, "*")...)
	}
	dump = append(dump, dumpRows(t, raw, "schema_migration", "version_id, is_applied")...)
	if err := os.WriteFile(strings.Replace(released(o), "*", name, 1), dump, 0o600); err != nil {
		t.Fatal(err)
	}
}

// dumpRows returns the statements that insert the rows of a table.
func dumpRows(t *testing.T, raw *sql.DB, table, columns string) (dump []byte) {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), "SELECT "+columns+" FROM "+table+" ORDER BY 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, targets, names := make([]sql.NullString, len(types)), make([]any, len(types)), make([]string, len(types))
		for i := range values {
			targets[i], names[i] = &values[i], types[i].Name()
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		dump = fmt.Appendf(dump, "INSERT INTO %s (%s) VALUES (", table, strings.Join(names, ", "))
		for i, v := range values {
			if i > 0 {
				dump = append(dump, ", "...)
			}
			switch kind := types[i].DatabaseTypeName(); {
			case !v.Valid:
				dump = append(dump, "NULL"...)
			case kind == "BOOLEAN":
				dump = append(dump, '1')
			case strings.Contains(kind, "INT"):
				dump = append(dump, v.String...)
			case kind == "TEXT": // SQLite distinguishes TEXT and BLOB
				dump = fmt.Appendf(dump, "CAST(X'%X' AS TEXT)", v.String)
			default:
				dump = fmt.Appendf(dump, "X'%X'", v.String)
			}
		}
		dump = append(dump, ");\n"...)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return dump
}

// TestPanicEndsBySignal: an end without an exit code, as by a panic or by systemd's watchdog, is
// not taken for a wrong configuration, after which the units do not start the process again.
func TestPanicEndsBySignal(t *testing.T) {
	for _, name := range []string{"worker", "api"} {
		unit := textOf(t, "../deployment/packages/jpmovies-"+name+".service")
		s := newSite(t, databasetest.SQLite(t), newFolder(t))
		for line := range strings.Lines(unit) {
			if setting, found := strings.CutPrefix(strings.TrimSpace(line), "Environment="); found {
				s.env = append(s.env, setting)
			}
		}
		p := s.start(t, name)
		p.logs(t, " starts")
		if err := p.Process.Signal(syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		if code := p.exit(t); code != -1 {
			t.Errorf("%s exits with code %d", name, code)
		}
	}
}
