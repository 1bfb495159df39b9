// Package tests drives the real program from outside: processes, real servers, real signals.
package tests

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/audit"
	"jpmovies/internal/bucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "jpmovies-tests-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "jpmovies")
	build := exec.Command("go", "build", "-o", binary, "../cmd/jpmovies")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build: %v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// inbox is a bucket that a producer writes to.
type inbox interface {
	env() []string // for the program
	put(t *testing.T, key string, body []byte)
	keys(t *testing.T) []string
}

// folder is a local folder that serves as a bucket.
type folder struct{ dir string }

func newFolder(t *testing.T) inbox { return folder{t.TempDir()} }

func (f folder) env() []string { return []string{"MOVIES_BUCKET_DIR=" + f.dir} }

// put creates a file atomically, with a modification time old enough for the worker to read it
// at once.
func (f folder) put(t *testing.T, key string, body []byte) {
	t.Helper()
	hidden := filepath.Join(f.dir, ".part-"+filepath.Base(key))
	if err := os.WriteFile(hidden, body, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Second)
	if err := errors.Join(os.Chtimes(hidden, old, old), os.Rename(hidden, filepath.Join(f.dir, key))); err != nil {
		t.Fatal(err)
	}
}

func (f folder) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	err := filepath.WalkDir(f.dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // taken meanwhile
			return nil
		case err != nil || path == f.dir:
			return err
		case !strings.HasPrefix(e.Name(), ".") && !e.IsDir():
			keys = append(keys, strings.TrimPrefix(path, f.dir+"/"))
		case strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// s3Bucket is a bucket for one test on the configured S3 server.
type s3Bucket struct {
	client *s3.Client
	name   string
}

const s3Variable = "MOVIES_TEST_S3_ENDPOINT"

func newS3Bucket(t *testing.T) inbox {
	t.Helper()
	endpoint := os.Getenv(s3Variable)
	if endpoint == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not set: CI must test on a real server", s3Variable)
		}
		t.Skipf("no S3 server: %s is not set", s3Variable)
	}
	c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
	})
	name := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return s3Bucket{client, name}
}

func (b s3Bucket) env() []string {
	return []string{
		"MOVIES_BUCKET_NAME=" + b.name, "MOVIES_BUCKET_PATH_STYLE=true",
		"AWS_ENDPOINT_URL_S3=" + os.Getenv(s3Variable), "AWS_REGION=us-east-1",
	}
}

func (b s3Bucket) put(t *testing.T, key string, body []byte) {
	t.Helper()
	_, err := b.client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

func (b s3Bucket) remove(t *testing.T, key string) {
	t.Helper()
	if _, err := b.client.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &b.name, Key: &key}); err != nil {
		t.Error(err)
	}
}

func (b s3Bucket) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			if !strings.Contains(*o.Key, bucket.ProbePrefix) { // a killed worker leaves it, a later probe removes it
				keys = append(keys, *o.Key)
			}
		}
	}
	return keys
}

// putAll puts many objects in parallel.
func putAll(t *testing.T, to inbox, objects map[string][]byte) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for key, body := range objects {
		group.Go(func() error { to.put(t, key, body); return nil })
	}
	_ = group.Wait()
}

// databaseEnv returns the environment that selects the database.
func databaseEnv(o database.Options) []string {
	if o.File != "" {
		return []string{"MOVIES_DB_FILE=" + o.File}
	}
	return []string{
		"MOVIES_DB_USER=" + o.User, "MOVIES_DB_PASS=" + o.Password, "MOVIES_DB_NAME=" + o.Name,
		"MOVIES_DB_HOST=" + o.Host, "MOVIES_DB_PORT=" + strconv.Itoa(o.Port),
	}
}

// site is a database, a bucket, and the program's environment for them.
type site struct {
	inbox
	database database.Options
	db       *catalogue.Catalogue
	auditor  *audit.Auditor
	binary   string // another program than the one under test, if not empty
	env      []string
}

func newSite(t *testing.T, o database.Options, from inbox) *site {
	t.Helper()
	db := databasetest.Open(t, o)
	s := &site{inbox: from, database: o, db: catalogue.New(db), auditor: audit.New(db)}
	s.env = append(append(os.Environ(), databaseEnv(o)...), from.env()...)
	s.env = append(s.env, "MOVIES_ADMIN_ADDR=127.0.0.1:0", "MOVIES_API_ADDR=127.0.0.1:0", "MOVIES_LOG_FORMAT=json", "MOVIES_WORKER_IDLE_MAX=1s")
	return s
}

// process is a running program.
type process struct {
	*exec.Cmd
	mu    sync.Mutex
	lines []string
	seen  chan struct{} // receives after a new line
	ended chan struct{}
}

// start runs the program.
func (s *site) start(t *testing.T, args ...string) *process {
	t.Helper()
	return s.startWith(t, func(*exec.Cmd) {}, args...)
}

func (s *site) startWith(t *testing.T, change func(*exec.Cmd), args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(cmp.Or(s.binary, binary), args...), seen: make(chan struct{}, 1), ended: make(chan struct{})}
	p.Env = s.env
	out, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	change(p.Cmd)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
			select {
			case p.seen <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			p.exit(t)
		}
		if t.Failed() {
			t.Logf("jpmovies %s, its last lines:\n%s", strings.Join(args, " "), p.tail(40))
		}
	})
	return p
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// tail returns the last lines of the log, short enough for a failure message.
func (p *process) tail(lines int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-lines):], "\n")
}

// logs waits until a line holds the text, and returns it.
func (p *process) logs(t *testing.T, text string) string {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		for line := range strings.SplitSeq(p.log(), "\n") {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-p.seen:
		case <-p.ended:
			t.Fatalf("ended without logging %q:\n%s", text, p.tail(40))
		case <-late:
			t.Fatalf("not logged within 30 s: %q in\n%s", text, p.tail(40))
		}
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// exit waits for the end and returns the exit code, or -1 after a signal.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	<-p.ended
	err := p.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Error(err)
	}
	return p.ProcessState.ExitCode()
}

// stop sends SIGTERM and returns the exit code. It waits for the process to start: before
// that line, the signal ends it at once.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.logs(t, " starts")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	return p.exit(t)
}

// drain runs one worker until the bucket is empty.
func (s *site) drain(t *testing.T) *process {
	t.Helper()
	p := s.start(t, "worker", "--once")
	if code := p.exit(t); code != 0 {
		t.Fatalf("worker --once: exit %d\n%s", code, p.log())
	}
	if left := s.keys(t); len(left) > 0 {
		t.Fatalf("%d objects left, first %q", len(left), left[0])
	}
	return p
}

// serve runs the API and returns its address.
func (s *site) serve(t *testing.T) string {
	t.Helper()
	return s.start(t, "api").apiOf(t)
}

// apiOf returns the address of a running API.
func (p *process) apiOf(t *testing.T) string {
	t.Helper()
	var line struct{ URL string }
	if err := json.Unmarshal([]byte(p.logs(t, `"msg":"serving"`)), &line); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line.URL, "/movies")
}

// waitSeen waits until the API shows all commits; responses may be as stale as the API's
// staleness allows.
func (s *site) waitSeen(t *testing.T, api string) {
	t.Helper()
	revision, err := s.db.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := strconv.FormatInt(revision, 10)
	waitFor(t, "the API to see revision "+want, func() bool {
		response, err := http.Get(api + "/movies")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Header.Get("Catalogue-Revision") == want
	})
}

// film is a movie as the API shows it.
type film struct {
	ID     int64    `json:"id"`
	Title  string   `json:"title"`
	Year   int      `json:"year"`
	Cast   []string `json:"cast"`
	Genres []string `json:"genres"`
}

// walk follows next_url from the first path to the end. Ids must strictly decrease.
func walk(t *testing.T, api, path string) []film {
	t.Helper()
	var all []film
	for path != "" {
		var page struct {
			Movies []film  `json:"movies"`
			Next   *string `json:"next_url"`
		}
		if err := json.Unmarshal(get(t, api+path), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Movies) == 0 && len(all) > 0 {
			t.Errorf("%s is a link to an empty page", path)
		}
		for _, m := range page.Movies {
			if len(all) > 0 && m.ID >= all[len(all)-1].ID {
				t.Fatalf("id %d follows %d", m.ID, all[len(all)-1].ID)
			}
			all = append(all, m)
		}
		path = ""
		if page.Next != nil {
			path = *page.Next
		}
	}
	return all
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v\n%s", url, response.Status, err, body)
	}
	return body
}

// server returns a fresh database on the first configured server.
func server(t *testing.T) database.Options {
	t.Helper()
	servers := databasetest.Servers(t)
	if len(servers) == 0 {
		t.Skipf("no server: %s is not set", databasetest.Variable)
	}
	return databasetest.Server(t, servers[0])
}

// portsGiven is the number of ports that freePort has tried.
var portsGiven atomic.Int32

// freePort returns a port that nothing listens on, below the range of ephemeral ports, and no
// port twice.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := 13000 + os.Getpid()%5000 + int(portsGiven.Add(1))
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(port)
	}
}

// waitFor polls until done, for at most a minute.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for a minute for %s", what)
		}
	}
}

// texts returns the rows of a query that selects one text column.
func texts(t *testing.T, raw *sql.DB, query string) []string {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
