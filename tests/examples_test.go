package tests

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jpmovies/internal/database/databasetest"
)

const examples = "../examples/"

// needs skips the test if a program is missing.
func needs(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Skipf("the example is not run: %s: %v %s", program, err, out)
	}
}

// output runs an example and returns what it prints.
func output(t *testing.T, env []string, stdin, program string, args ...string) string {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env, c.Stdin = env, strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// example builds an example in Go.
func example(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	output(t, os.Environ(), "", "go", "build", "-o", program, examples+name)
	return program
}

const twoFilms = `{"title": "One", "year": 2001}` + "\n" + `{"title": "Two", "year": 2002}` + "\n"

// drained drains the bucket and returns the titles in the catalogue.
func (s *site) drained(t *testing.T) string {
	t.Helper()
	s.drain(t)
	var titles []string
	for _, m := range walk(t, s.serve(t), "/movies") {
		titles = append(titles, m.Title)
	}
	slices.Sort(titles)
	return strings.Join(titles, ", ")
}

func TestExampleProducerSh(t *testing.T) {
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "film.json"), filepath.Join(dir, "other", "film.json")} // of one name
	if err := os.Mkdir(filepath.Dir(files[1]), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, film := range strings.SplitAfter(strings.TrimSpace(twoFilms), "\n") {
		if err := os.WriteFile(files[i], []byte(film), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("folder", func(t *testing.T) {
		s := newSite(t, databasetest.SQLite(t), newFolder(t))
		output(t, s.env, "", examples+"producer.sh", files[0], files[1])
		if got := s.drained(t); got != "One, Two" {
			t.Error(got)
		}
	})
	t.Run("prefix", func(t *testing.T) {
		s := newSite(t, databasetest.SQLite(t), newFolder(t))
		s.env = append(s.env, "MOVIES_BUCKET_PREFIX=incoming/")
		output(t, s.env, "", examples+"producer.sh", files[0], files[1])
		if got := s.drained(t); got != "One, Two" {
			t.Error(got)
		}
	})
	t.Run("s3", func(t *testing.T) {
		s := newSite(t, databasetest.SQLite(t), newS3Bucket(t))
		needs(t, "aws", "--version")
		output(t, s.env, "", examples+"producer.sh", files[0], files[1])
		if got := s.drained(t); got != "One, Two" {
			t.Error(got)
		}
	})
}

func TestExampleProducerPy(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newS3Bucket(t))
	needs(t, "python3", "-c", "import boto3")
	wrong := strings.Repeat(`{"title": "One", "year": 2001, "deleted": true}`+"\n", 10_000) // an object of its own
	output(t, s.env, wrong+twoFilms, "python3", examples+"producer.py")
	if got := s.drained(t); got != "One, Two" {
		t.Error(got)
	}
}

func TestExampleProducerGo(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newS3Bucket(t))
	output(t, s.env, "", example(t, "producer"))
	if got := s.drained(t); got != "A new marathon, The dawn" {
		t.Error(got)
	}
}

func TestExampleMirror(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	s.put(t, "two", []byte(twoFilms))
	s.drain(t)
	program, api := example(t, "mirror"), s.serve(t)
	p := s.startWith(t, func(c *exec.Cmd) { c.Path, c.Args, c.Stdout = program, []string{program, api}, c.Stderr })
	p.logs(t, "2 movies at revision 2")
	s.put(t, "three", []byte(`{"title": "Three", "year": 2003}`))
	s.drain(t)
	p.logs(t, "3 stored Three")
	s.put(t, "no-one", []byte(`{"title": "One", "year": 2001, "deleted": true}`))
	s.drain(t)
	p.logs(t, "4 deleted One")
}

func TestExampleLive(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	s.put(t, "two", []byte(twoFilms))
	s.drain(t)
	elsewhere := httptest.NewServer(http.FileServer(http.Dir(examples)))
	defer elsewhere.Close()
	b.open(elsewhere.URL + "/live.html?api=" + s.serve(t))
	b.wait(`document.getElementById("state").textContent === "live"`)
	s.put(t, "three", []byte(`{"title": "Three", "year": 2003}`))
	s.drain(t)
	b.wait(`document.getElementById("changes").textContent === "Three (2003)"`)
	b.open("about:blank")
}

func TestExampleQueries(t *testing.T) {
	_, api := demo(t, t.TempDir())
	t.Run("sqlite", func(t *testing.T) {
		needs(t, "sqlite3", "--version")
		if got := output(t, os.Environ(), "", examples+"sqlite.sh", api); !strings.HasPrefix(got, "AB Nick|2\n") || strings.Count(got, "\n") != 5 {
			t.Error(got)
		}
	})
	t.Run("duckdb", func(t *testing.T) {
		needs(t, "duckdb", "--version")
		if got := output(t, os.Environ(), "", examples+"duckdb.sh", api); !strings.HasPrefix(got, "1920,1\n") {
			t.Error(got)
		}
	})
}
