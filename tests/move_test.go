package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// moveVariable holds the DSNs of the servers to move from; the tests' own servers are TiDB
// then.
const moveVariable = "MOVIES_TEST_MOVE_FROM_DSN"

// TestMoveToTiDB runs the handbook's commands: they copy a server's data to TiDB, where ids
// and revisions continue.
func TestMoveToTiDB(t *testing.T) {
	from, to := os.Getenv(moveVariable), databasetest.Servers(t)
	if from == "" || len(to) == 0 {
		t.Skipf("no servers to move from and to: %s or %s is not set", moveVariable, databasetest.Variable)
	}
	for i, dsn := range strings.Split(from, ",") {
		t.Run(fmt.Sprintf("server%d", i+1), func(t *testing.T) {
			testMove(t, databasetest.Server(t, dsn), databasetest.Server(t, to[0]))
		})
	}
}

func testMove(t *testing.T, from, to database.Options) {
	t.Helper()
	source := newSite(t, from, newFolder(t))
	source.put(t, "1.ndjson", []byte(`{"title": "Alien", "year": 1979, "cast": ["Ian Holm", "O'Neil \\ \" é 中 🎬"], "genres": ["Horror"]}
{"title": "Heat", "year": 1995, "cast": ["Al Pacino"]}
{"title": "Big", "year": "1988"}
`))
	source.drain(t)
	source.put(t, "2.ndjson", []byte(`{"title": "Heat", "year": 1995, "deleted": true}`)) // hides the highest id
	source.drain(t)

	target := newSite(t, to, newFolder(t))
	move(t, from, to)
	want := "1 movies at revision 3: all tables agree\n"
	for name, s := range map[string]*site{"source": source, "target": target} {
		if got := string(s.output(t, "verify")); got != want {
			t.Errorf("verify of the %s: %q, want %q", name, got, want)
		}
	}
	if old, moved := source.output(t, "export"), target.output(t, "export"); !bytes.Equal(old, moved) {
		t.Errorf("export was\n%s\nand is\n%s", old, moved)
	}
	if old, moved := source.output(t, "rejections", "list"), target.output(t, "rejections", "list"); !bytes.Equal(old, moved) {
		t.Errorf("rejections were\n%s\nand are\n%s", old, moved)
	}
	goesOn(t, target)
}

// goesOn checks that the catalogue keeps its movies and numbers new ones after them.
func goesOn(t *testing.T, s *site) {
	t.Helper()
	db := databasetest.Raw(t, s.database)
	var highest int64
	if err := db.QueryRowContext(t.Context(), "SELECT MAX(id) FROM movie").Scan(&highest); err != nil {
		t.Fatal(err)
	}
	s.put(t, "3.ndjson", []byte(`{"title": "Alien", "year": 1979, "genres": ["Horror"]}
{"title": "Up", "year": 2009}
`))
	s.drain(t)
	var revision, id int64
	err := db.QueryRowContext(t.Context(), "SELECT revision, movie_id FROM change_log ORDER BY revision DESC LIMIT 1").Scan(&revision, &id)
	if err != nil || revision != 4 || id <= highest {
		t.Errorf("the next change has revision %d and id %d (%v), want 4 and an id above %d", revision, id, err, highest)
	}
	if got, want := string(s.output(t, "verify")), "2 movies at revision 4: all tables agree\n"; got != want {
		t.Errorf("verify afterwards: %q, want %q", got, want)
	}
}

// output runs the program to its end and returns what it printed.
func (s *site) output(t *testing.T, args ...string) []byte {
	t.Helper()
	var errors bytes.Buffer
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Env, command.Stderr = s.env, &errors
	out, err := command.Output()
	if err != nil {
		t.Errorf("jpmovies %s: %v\n%s%s", strings.Join(args, " "), err, out, errors.Bytes())
	}
	return out
}

// move runs the handbook's commands that dump and load.
func move(t *testing.T, from, to database.Options) {
	t.Helper()
	text, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n( *mariadb-dump --defaults-extra-file=old.cnf.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("the handbook has no commands to move")
	}
	dump, load, _ := strings.Cut(string(block[1]), "\n   mariadb ")
	script := strings.ReplaceAll(dump, "movies", from.Name) + "\nmariadb " + strings.ReplaceAll(load, "movies", to.Name)

	dir := t.TempDir()
	for file, o := range map[string]database.Options{"old.cnf": from, "new.cnf": to} {
		cnf := fmt.Sprintf("[client]\nhost=%s\nport=%d\nuser=%s\npassword=%s\n", o.Host, o.Port, o.User, o.Password)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(cnf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "bash", "-ec", script)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
