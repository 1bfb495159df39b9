package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a running jpmovies.
type process struct {
	*testing.T
	command *exec.Cmd
	stdout  string              // path of the file
	lines   chan map[string]any // its log
	log     []map[string]any    // the lines read so far
}

// start runs jpmovies with settings, with all listeners on free ports.
func start(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	command := exec.CommandContext(t.Context(), "jpmovies", args...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "MOVIES_API_ADDR=127.0.0.1:0", "MOVIES_ADMIN_ADDR=127.0.0.1:0"}, settings...)
	stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdout.Close() }() // the child has its own descriptor
	command.Stdout = stdout
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, command: command, stdout: stdout.Name(), lines: make(chan map[string]any, 1000)}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			line := map[string]any{}
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				line["msg"] = lines.Text()
			}
			p.lines <- line
		}
	}()
	t.Cleanup(func() { // before its folders are removed
		_ = command.Process.Kill()
		_ = command.Wait() // an error if end has waited for it
	})
	return p
}

// wait reads the log until a line with the message.
func (p *process) wait(message string) map[string]any {
	p.Helper()
	late := time.After(30 * time.Second) // shows the log if the test fails
	for {
		select {
		case line, more := <-p.lines:
			p.log = append(p.log, line)
			if strings.Contains(field(line, "msg"), message) {
				return line
			}
			if !more {
				p.Fatalf("ended before it said %q: %v", message, p.log)
			}
		case <-late:
			p.Fatalf("does not say %q: %v", message, p.log)
		}
	}
}

// end waits for the end and checks the exit code.
func (p *process) end(code int) {
	p.Helper()
	for line := range p.lines {
		p.log = append(p.log, line)
	}
	err := p.command.Wait()
	if got := p.command.ProcessState.ExitCode(); got != code {
		p.Errorf("exit code %d, want %d: %v %v", got, code, err, p.log)
	}
}

func (p *process) signal(s os.Signal) {
	p.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.Fatal(err)
	}
}

// field returns a text field of a log line.
func field(line map[string]any, name string) string {
	text, _ := line[name].(string)
	return text
}

// ask sends a GET, expects a status and returns the body.
func ask(t *testing.T, url string, status int) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != status {
		t.Errorf("%s: %d, want %d: %v: %s", url, response.StatusCode, status, err, body)
	}
	return string(body)
}

// runOnce runs jpmovies to its end.
func runOnce(t *testing.T, settings []string, args ...string) {
	t.Helper()
	start(t, settings, args...).end(exitDone)
}

// TestWholeWay takes a file from the folder through the worker to the API.
func TestWholeWay(t *testing.T) {
	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	settings := []string{"MOVIES_DB_FILE=" + filepath.Join(dir, "movies.sqlite"), "MOVIES_BUCKET_DIR=" + inbox}
	if err := os.Mkdir(inbox, 0o750); err != nil {
		t.Fatal(err)
	}
	runOnce(t, settings, "migrate")
	update := `{"title": "The dawn", "year": 2020, "cast": ["Mark Zei"]} {"title": "Gone", "year": 1999, "deleted": true}`
	if err := os.WriteFile(filepath.Join(inbox, "1.json"), []byte(update), 0o600); err != nil {
		t.Fatal(err)
	}

	worker := start(t, settings, "worker")
	admin := "http://" + field(worker.wait("worker starts"), "admin")
	worker.wait("pass: 2 updates from 1 objects")
	worker.wait("pass: 0 updates from 0 objects") // readyz reports the pass before
	if text := ask(t, admin+"/readyz", http.StatusOK); text != "database: ok\npass: ok\n" {
		t.Errorf("readyz: %q", text)
	}
	if metrics := ask(t, admin+"/metrics", http.StatusOK); !strings.Contains(metrics, "\ngo_goroutines ") {
		t.Error("no metrics")
	}
	worker.signal(os.Interrupt)
	worker.wait("Stopping worker. Press one more time to exit immediately!")
	worker.end(exitDone)

	api := start(t, settings, "api")
	admin = "http://" + field(api.wait("API starts"), "admin")
	url := field(api.wait("serving"), "url")
	one := `{"id": 1, "title": "The dawn", "year": 2020, "cast": ["Mark Zei"], "genres": [], "self_url": "/movies/1"}`
	if body := ask(t, url, http.StatusOK); body != "{\"movies\": [\n"+one+"\n],\n\"next_url\": null}\n" {
		t.Errorf("movies: %s", body)
	}
	if body := ask(t, url+"/1", http.StatusOK); body != one+"\n" {
		t.Errorf("movie: %s", body)
	}
	ask(t, url+"/2", http.StatusNotFound)
	ask(t, url+"?genres=x", http.StatusBadRequest)
	if text := ask(t, admin+"/readyz", http.StatusOK); text != "database: ok\nindex: ok\n" {
		t.Errorf("readyz: %q", text)
	}
	ask(t, admin+"/livez", http.StatusOK)
	api.signal(syscall.SIGTERM)
	api.wait("Stopping API. Press one more time to exit immediately!")
	api.end(exitDone)
}

// TestNotMigrated: processes keep running on a server that is not migrated yet.
func TestNotMigrated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "movies.sqlite")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"MOVIES_DB_FILE=" + file, "MOVIES_BUCKET_DIR=" + t.TempDir()}
	const advice = "run jpmovies migrate"
	// One after the other: if two processes open an empty file for the first time, one may
	// briefly report that it is locked.
	unready := func(command, name string) *process {
		p := start(t, settings, command)
		admin := "http://" + field(p.wait(name+" starts"), "admin")
		if text := ask(t, admin+"/readyz", http.StatusServiceUnavailable); !strings.Contains(text, advice) {
			t.Errorf("%s: readyz: %q", name, text)
		}
		ask(t, admin+"/livez", http.StatusOK)
		return p
	}
	api, worker := unready("api", "API"), unready("worker", "worker")
	url := field(api.wait("serving"), "url")
	if body := ask(t, url, http.StatusServiceUnavailable); strings.Contains(body, "movie ") || strings.Contains(body, "table") {
		t.Errorf("body: %s", body)
	}
	if line := worker.wait("cannot be used yet"); !strings.Contains(field(line, "error"), advice) {
		t.Errorf("the worker says %v", line)
	}
	for _, p := range []*process{api, worker} {
		p.signal(syscall.SIGTERM)
		p.end(exitDone)
	}
}

// TestSecondSignal: after the first signal the API waits for a client that has not sent all of
// its request; the second signal ends it.
func TestSecondSignal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "movies.sqlite")
	settings := []string{"MOVIES_DB_FILE=" + file}
	runOnce(t, settings, "migrate")
	api := start(t, settings, "api")
	url := field(api.wait("serving"), "url")
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/movies"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /movies HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	ask(t, url, http.StatusOK) // by now the server has accepted both connections
	api.signal(os.Interrupt)
	api.wait("Stopping API")
	api.signal(os.Interrupt)
	api.end(exitFailed)
}

// TestBusyAdminPort: a connection to the admin port that is in use does not make a process that has
// done its work fail.
func TestBusyAdminPort(t *testing.T) {
	settings := []string{"MOVIES_DB_FILE=" + filepath.Join(t.TempDir(), "movies.sqlite"), "MOVIES_BUCKET_DIR=" + t.TempDir()}
	runOnce(t, settings, "migrate")
	worker := start(t, settings, "worker")
	admin := field(worker.wait("worker starts"), "admin")
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ask(t, "http://"+admin+"/livez", http.StatusOK) // by now the server has accepted both connections
	worker.signal(syscall.SIGTERM)
	worker.wait("cut off")
	worker.end(exitDone)
}

// TestPortTaken: the error names the address.
func TestPortTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "movies.sqlite")
	settings := []string{"MOVIES_DB_FILE=" + file}
	runOnce(t, settings, "migrate")
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, variable := range []string{"MOVIES_API_ADDR", "MOVIES_ADMIN_ADDR"} {
		p := start(t, append(settings, variable+"="+taken.Addr().String()), "api")
		if line := p.wait("jpmovies: "); !strings.Contains(field(line, "msg"), taken.Addr().String()) {
			t.Errorf("%s: %v", variable, line)
		}
		p.end(exitFailed)
	}
}

// TestDemo: demo needs no settings, and continues with existing data.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var before string
	for range 2 {
		p := start(t, []string{"MOVIES_SHUTDOWN_TIMEOUT=5s"}, "demo", "--dir", dir)
		p.wait("demo starts")
		greeting, err := os.ReadFile(p.stdout)
		if err != nil {
			t.Fatal(err)
		}
		url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/movies`).FindString(string(greeting))
		if url == "" || !strings.Contains(string(greeting), filepath.Join(dir, "inbox")) {
			t.Fatalf("greeting: %s", greeting)
		}
		body := ask(t, url+"?title=Casablanca&year=1942", http.StatusOK)
		if !strings.Contains(body, "Humphrey Bogart") || before != "" && body != before {
			t.Errorf("body is %s, before it was %s", body, before)
		}
		before = body
		p.signal(os.Interrupt)
		p.end(exitDone)
	}
}
