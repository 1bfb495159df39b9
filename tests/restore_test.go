package tests

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/database/databasetest"
)

// TestRestoreBesideAPI restores an older dump by the handbook, with pauses, while an API
// answers. The API never lacks movies, and then shows all of the dump; so does an API that
// starts meanwhile.
func TestRestoreBesideAPI(t *testing.T) {
	t.Parallel()
	o := server(t)
	for _, program := range []string{"mariadb", "mariadb-dump"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
			t.Skip(err)
		}
	}
	s := newSite(t, o, newFolder(t))
	const old, later = 400, 100
	add := func(from, to int, cast string) {
		var body strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&body, `{"title": "film %d", "year": 2000, "cast": ["%s"]}`+"\n", i, cast)
		}
		s.put(t, strconv.Itoa(from)+".ndjson", []byte(body.String()))
		s.drain(t)
	}
	add(0, old, "Before")
	dir := t.TempDir()
	options := filepath.Join(dir, "options")
	if err := os.WriteFile(options, fmt.Appendf(nil, "[client]\nhost=%s\nport=%d\nuser=%s\npassword=%s\n", o.Host, o.Port, o.User, o.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	dump, err := exec.Command("mariadb-dump", "--defaults-extra-file="+options, "--single-transaction", "--net-buffer-length=4096", o.Name).Output()
	if err != nil {
		t.Fatal(err)
	}
	add(old, old+later, "Later")
	add(0, 10, "Lost")

	p := s.start(t, "api")
	api := p.apiOf(t)
	total := func(api string) (n, age string) {
		response, err := http.Get(api + "/movies?limit=1")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return response.Status, ""
		}
		return response.Header.Get("Total-Count"), response.Header.Get("Age")
	}
	waitFor(t, "all movies", func() bool { n, _ := total(api); return n == strconv.Itoa(old+later) })

	load := exec.Command("mariadb", "--defaults-extra-file="+options, o.Name)
	input, err := load.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	load.Stdout, load.Stderr = &said, &said
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	var starting *process
	check := func(when string) {
		if n, _ := total(api); n != strconv.Itoa(old+later) && n != strconv.Itoa(old) {
			t.Errorf("%s: %s movies", when, n)
		}
		if starting != nil && status(starting.adminOf(t, "API starts")+"/readyz") == http.StatusOK {
			if n, _ := total(starting.apiOf(t)); n != strconv.Itoa(old) {
				t.Errorf("%s: an API that started meanwhile shows %s movies", when, n)
			}
		}
	}
	for line := range bytes.Lines(dump) {
		if _, err := input.Write(line); err != nil {
			t.Fatal(err, said.String())
		}
		if !bytes.HasPrefix(line, []byte("INSERT INTO ")) {
			continue
		}
		what := string(line[:min(40, len(line))])
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			check(what)
		}
		if starting == nil && bytes.HasPrefix(line, []byte("INSERT INTO `movie`")) {
			starting = s.start(t, "api")
		}
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := load.Wait(); err != nil {
		t.Fatal(err, said.String())
	}
	if starting == nil {
		t.Fatalf("no movies in the dump:\n%.500s", dump)
	}
	databasetest.Exec(t, databasetest.Raw(t, o), "DELETE FROM change_log")
	databasetest.Exec(t, databasetest.Raw(t, o), "UPDATE catalogue SET revision = revision + 1000000")
	for _, p := range []*process{p, starting} {
		waitFor(t, "the restored movies", func() bool {
			n, age := total(p.apiOf(t))
			return n == strconv.Itoa(old) && age == ""
		})
		for _, m := range walk(t, p.apiOf(t), "/movies?limit=100") {
			if len(m.Cast) != 1 || m.Cast[0] != "Before" {
				t.Errorf("%+v is not of the dump", m)
			}
		}
	}
	if got, want := string(s.output(t, "verify")), fmt.Sprintf("%d movies at revision %d: all tables agree\n", old, 1_000_000+old); got != want {
		t.Errorf("verify: %q, want %q", got, want)
	}
	add(old, old+later+1, "New")
	waitFor(t, "new movies", func() bool { n, _ := total(api); return n == strconv.Itoa(old+later+1) })

	databasetest.Exec(t, databasetest.Raw(t, o), "DELETE FROM movie WHERE id = 1")
	p = s.start(t, "api")
	p.logs(t, "run jpmovies verify --repair")
	repair := exec.Command(binary, "verify", "--repair")
	repair.Env = s.env
	_ = repair.Run() // the log of changes still names the movie
	waitFor(t, "the API to load what is there", func() bool { n, _ := total(p.apiOf(t)); return n == strconv.Itoa(old+later) })
}
