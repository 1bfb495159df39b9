package tests

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"jpmovies/internal/database/databasetest"
)

// TestReleasedNames: commands, flags, environment variables, and metrics with their labels keep the
// names that each release had. MOVIES_TEST_WRITE_RELEASE writes those of the present program; see
// TestReleasedDatabases.
func TestReleasedNames(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	present := slices.Concat(commandNames(t), variableNames(t), metricNames(t, s))
	slices.Sort(present)
	if name := os.Getenv("MOVIES_TEST_WRITE_RELEASE"); name != "" {
		if err := os.WriteFile(filepath.Join("testdata", "releases", name+".names.txt"), []byte(strings.Join(present, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	releases, err := filepath.Glob("testdata/releases/*.names.txt")
	if err != nil || len(releases) == 0 {
		t.Fatalf("no names: %v", err)
	}
	for _, release := range releases {
		text, err := os.ReadFile(release)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.Lines(string(text)) {
			if name = strings.TrimSpace(name); !slices.Contains(present, name) {
				t.Errorf("%s has %q, which is gone", filepath.Base(release), name)
			}
		}
	}
}

// commandNames returns all commands and flags, as the shells complete them.
func commandNames(t *testing.T, path ...string) (names []string) {
	t.Helper()
	for _, typed := range []string{"", "--"} {
		out, err := exec.Command(binary, slices.Concat([]string{"__complete"}, path, []string{typed})...).Output()
		if err != nil {
			t.Fatalf("complete %q: %v", path, err)
		}
		for line := range strings.Lines(string(out)) {
			word, _, described := strings.Cut(line, "\t")
			kind := "command"
			if strings.HasPrefix(word, "-") {
				kind = "flag"
			}
			if !described || word == "help" || word == "completion" || word == "--help" {
				continue
			}
			full := slices.Concat(path, []string{word})
			names = append(names, kind+" "+strings.Join(full, " "))
			if kind == "command" {
				names = append(names, commandNames(t, full...)...)
			}
		}
	}
	return names
}

func variableNames(t *testing.T) (names []string) {
	t.Helper()
	out, err := exec.Command(binary, "help", "environment").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^ +(MOVIES_\w+) `).FindAllStringSubmatch(string(out), -1) {
		names = append(names, "variable "+found[1])
	}
	return names
}

// metricNames returns the metrics, with type and labels, of a worker and an API that have worked.
func metricNames(t *testing.T, s *site) (names []string) {
	t.Helper()
	s.put(t, "a.ndjson", []byte(`{"title": "A", "year": 2000, "budget": 1}`+"\n"+`{"title": "B"}`+"\n"))
	w, api := s.start(t, "worker"), s.start(t, "api")
	waitFor(t, "the bucket to be empty", func() bool { return len(s.keys(t)) == 0 })
	for _, path := range []string{"/movies", "/movies/1", "/genres", "/export", "/changes?since=0", "/nothing"} {
		status(api.apiOf(t) + path)
	}
	label := regexp.MustCompile(`(\w+)="`)
	for _, admin := range []string{w.adminOf(t, "worker starts"), api.adminOf(t, "API starts")} {
		response, err := http.Get(admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		types := map[string]string{}
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if about, isType := strings.CutPrefix(lines.Text(), "# TYPE "); isType {
				name, kind, _ := strings.Cut(about, " ")
				types[name] = kind
				continue
			}
			name, labels, _ := strings.Cut(lines.Text(), "{")
			name, _, _ = strings.Cut(name, " ")
			if base, isCount := strings.CutSuffix(name, "_count"); isCount && types[base] == "histogram" {
				name = base
			}
			if kind := types[name]; kind != "" && strings.HasPrefix(name, "movies_") { // else a part of a histogram, or a library's
				sample := "metric " + name + " " + kind
				for _, found := range label.FindAllStringSubmatch(labels, -1) {
					sample += " " + found[1]
				}
				names = append(names, sample)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
