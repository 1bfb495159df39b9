package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readmeAPI is the API's address in the README's examples.
const readmeAPI = "http://127.0.0.1:8080"

// demo runs jpmovies demo in a folder and returns the API's address.
func demo(t *testing.T, dir string) (*process, string) {
	t.Helper()
	s := &site{env: append(os.Environ(), "MOVIES_ADMIN_ADDR=127.0.0.1:0", "MOVIES_API_ADDR=127.0.0.1:0", "MOVIES_LOG_FORMAT=text")}
	// Its greeting goes to standard output. The test reads it together with the log.
	p := s.startWith(t, func(c *exec.Cmd) { c.Stdout = c.Stderr }, "demo", "--dir", dir)
	line := p.logs(t, "Programs read them at")
	p.logs(t, "demo starts")
	return p, strings.TrimSuffix(line[strings.Index(line, "http://"):], "/movies")
}

// TestReadme runs the commands of the README and of the API's examples, and compares their
// output.
func TestReadme(t *testing.T) {
	_, api := demo(t, t.TempDir())
	for file, least := range map[string]int{"../README.md": 8, "../docs/api.md": 27} {
		if examples := runExamples(t, file, api); examples < least {
			t.Errorf("only %d examples found in %s", examples, file)
		}
	}
	want, err := os.ReadFile("testdata/movies.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, api+"/movies"); !bytes.Equal(got, want) {
		t.Errorf("/movies is\n%s\nwant\n%s", got, want)
	}
}

// runExamples runs the console blocks of a file and returns the number of commands.
func runExamples(t *testing.T, file, api string) (examples int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(text, -1) {
		for example := range strings.SplitSeq("\n"+string(block[1]), "\n$ ") {
			command, want, _ := strings.Cut(example, "\n")
			if command == "" {
				continue
			}
			examples++
			out, err := exec.Command("sh", "-c", strings.ReplaceAll(command, readmeAPI, api)).Output()
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
			if diff := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(string(out), "\n")); diff != "" {
				t.Errorf("%s (-%s +output):\n%s", command, file, diff)
			}
		}
	}
	return examples
}

// TestDemo: a file dropped into the folder is soon served and removed, the catalogue survives
// a restart, and Ctrl-C exits cleanly.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	p, api := demo(t, dir)
	file := filepath.Join(dir, "inbox", "my-film.json")
	if err := os.WriteFile(file, []byte(`{"title": "My film", "year": 2026}`), 0o600); err != nil {
		t.Fatal(err)
	}
	dropped := time.Now()
	waitFor(t, "the dropped file to be served", func() bool { return len(walk(t, api, "/movies?title=My+film")) == 1 })
	t.Logf("served after %s", time.Since(dropped).Round(time.Millisecond))
	waitFor(t, "the dropped file to go", func() bool { _, err := os.Stat(file); return os.IsNotExist(err) })
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Logf("ended after %s", time.Since(stopped).Round(time.Millisecond))
	_, api = demo(t, dir)
	if n := len(walk(t, api, "/movies?limit=100")); n != 37 {
		t.Errorf("%d movies after a restart, want 37", n)
	}
}

// TestReadmeNamesEverySetting expects the README's table to list every variable.
func TestReadmeNamesEverySetting(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../internal/config/config.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`env:"([A-Z0-9_]+)"`).FindAllSubmatch(source, -1) {
		if !bytes.Contains(readme, append(append([]byte("`"), found[1]...), '`')) {
			t.Errorf("README does not name %s", found[1])
		}
	}
}
