package tests

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// TestKillImport kills an import with -9 in the middle of a file. After a second run, the
// catalogue equals that of an undisturbed import.
func TestKillImport(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		random := rand.New(rand.NewPCG(randomSeed(t), 0))
		var text strings.Builder
		for i := range 25_000 { // each movie is new, so that the import takes time
			year := "2000"
			if i%3001 == 7 || random.IntN(2000) == 0 {
				year = `"2000"`
			}
			fmt.Fprintf(&text, `{"title": "Film %d", "year": %s, "cast": ["A%d", "B%d"], "genres": ["G%d"]}`+"\n", i, year, i%100, i%77, i%9)
		}
		body := text.String()
		for name, content := range map[string]string{"large.ndjson": body, "large.ndjson.gz": gzipped(body)} {
			t.Run(name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				killImport(t, another(t, o), another(t, o), path, 500+random.IntN(4000))
			})
		}
	})
}

// TestImportNamesIgnoredFields: an import names each field that it ignores, whether or not it
// is nearly one that has a meaning, and says nothing of passes.
func TestImportNamesIgnoredFields(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	path := filepath.Join(t.TempDir(), "one.json")
	if err := os.WriteFile(path, []byte(`{"title": "One", "year": 2001, "href": "x", "actors": ["A"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := s.start(t, "import", path)
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if log := p.log(); !strings.Contains(log, `"href"`) || !strings.Contains(log, `"actors"`) || strings.Contains(log, "pass:") {
		t.Errorf("the log is %s", log)
	}
}

// another returns a fresh database on the same engine.
func another(t *testing.T, o database.Options) database.Options {
	t.Helper()
	if o.File != "" {
		return databasetest.SQLite(t)
	}
	return databasetest.Server(t, fmt.Sprintf("%s:%s@tcp(%s:%d)/", o.User, o.Password, o.Host, o.Port))
}

func killImport(t *testing.T, o, twin database.Options, path string, after int) {
	s := newSite(t, o, newFolder(t))
	raw := databasetest.Raw(t, o)
	p := s.start(t, "import", path)
	waitFor(t, "some batches to be committed", func() bool { return p.hasEnded() || logged(t, raw) >= after })
	_ = p.Process.Kill()
	if code := p.exit(t); code != -1 {
		t.Fatalf("it had ended with %d before it was killed\n%s", code, p.log())
	}
	importAll(t, newSite(t, twin, newFolder(t)), path)
	importAll(t, s, path)
	if want, got := content(t, twin), content(t, o); !slices.Equal(want, got) {
		t.Errorf("the catalogue differs from one of an undisturbed run (-want +got):\n%.4000s", cmp.Diff(want, got))
	}
}

// logged returns how many updates the ingest log has.
func logged(t *testing.T, raw *sql.DB) int {
	t.Helper()
	updates := 0
	for _, outcome := range texts(t, raw, "SELECT outcome FROM ingest") {
		var at, n int
		if _, err := fmt.Sscanf(outcome, "%d %d", &at, &n); err != nil {
			t.Fatal(err)
		}
		updates += n
	}
	return updates
}

// importAll runs an import to its end.
func importAll(t *testing.T, s *site, path string) {
	t.Helper()
	p := s.start(t, "import", path)
	if code := p.exit(t); code > 1 { // 1: some updates are rejected
		t.Fatalf("import: exit %d\n%s", code, p.log())
	}
}
