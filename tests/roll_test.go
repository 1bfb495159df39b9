package tests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// replica is one API process, and whether it says that it is ready.
type replica struct {
	*process
	api, admin string
	ready      atomic.Bool
}

// replicas are API processes behind a balancer that gives connections to those
// that say they are ready, as Kubernetes does.
type replicas struct {
	*proxy
	site *site
	all  [2]atomic.Pointer[replica]
	next atomic.Int64
}

func newReplicas(t *testing.T, s *site) *replicas {
	t.Helper()
	r := &replicas{site: s}
	for i := range r.all {
		r.start(t, i)
	}
	r.proxy = newBalancer(t, r.choose)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			for i := range r.all {
				one := r.all[i].Load()
				one.ready.Store(status(one.admin+"/readyz") == http.StatusOK)
			}
		}
	})
	t.Cleanup(func() { close(stop); watching.Wait() })
	return r
}

func (r *replicas) url() string { return "http://" + r.Addr().String() }

// start runs a process in one of the places.
func (r *replicas) start(t *testing.T, i int) {
	t.Helper()
	p := r.site.start(t, "api")
	one := &replica{process: p, api: strings.TrimPrefix(p.apiOf(t), "http://"), admin: p.adminOf(t, "API starts")}
	waitFor(t, "an API to be ready", func() bool { return status(one.admin+"/readyz") == http.StatusOK })
	one.ready.Store(true)
	r.all[i].Store(one)
}

func (r *replicas) choose() string {
	turn := int(r.next.Add(1))
	for i := range r.all {
		if one := r.all[(turn+i)%len(r.all)].Load(); one.ready.Load() {
			return one.api
		}
	}
	return r.all[0].Load().api
}

// TestRollAPI replaces both API processes, one after the other, while clients
// that never try twice send requests over connections they keep. None fails.
func TestRollAPI(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	for i := range 60 {
		s.put(t, strconv.Itoa(i), fmt.Appendf(nil, `{"title": "Film %d", "year": 2000, "cast": ["A"], "genres": ["G"]}`, i))
	}
	s.drain(t)
	r := newReplicas(t, s)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var requests, connections atomic.Int64
	for range 8 {
		load.Go(func() {
			c := &careless{address: r.Addr().String(), connections: &connections}
			defer c.close()
			for path := "/movies?limit=7"; ; requests.Add(1) {
				select {
				case <-stop:
					return
				default:
				}
				var err error
				if path, err = c.page(path); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		for i := range r.all {
			time.Sleep(500 * time.Millisecond)
			if code := r.all[i].Load().stop(t); code != 0 {
				t.Errorf("an API ended with %d", code)
			}
			r.start(t, i)
		}
	}
	close(stop)
	load.Wait()
	t.Logf("%d requests over %d connections, 4 restarts", requests.Load(), connections.Load())
	if requests.Load() < 1000 {
		t.Errorf("only %d requests", requests.Load())
	}
}

// careless is a client that never tries twice: any error is one.
type careless struct {
	address     string
	conn        net.Conn
	answers     *bufio.Reader
	connections *atomic.Int64
}

func (c *careless) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// page gets a page and returns the path of the next one, or of the first.
func (c *careless) page(path string) (next string, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.address); err != nil {
			return "", err
		}
		c.connections.Add(1)
		c.answers = bufio.NewReader(c.conn)
	}
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return "", err
	}
	var body struct {
		Next string `json:"next_url"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s, %w", path, response.Status, err)
	}
	if err := response.Body.Close(); err != nil {
		return "", err
	}
	if response.Close {
		c.close()
	}
	if body.Next == "" {
		body.Next = "/movies?limit=7"
	}
	return body.Next, nil
}

// TestMirrorAcrossProcesses follows the feed of whichever API answers, while a
// worker drains what producers write, and API processes, and the database server,
// are killed and started again. The copy ends equal to the export.
func TestMirrorAcrossProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testMirror(t, databasetest.SQLite(t), func() {})
	})
	t.Run("mariadb", func(t *testing.T) {
		if _, err := exec.LookPath("mariadbd"); err != nil && os.Getenv("CI") == "" {
			t.Skip("no mariadbd to kill")
		}
		private := startPrivate(t, "mariadb")
		testMirror(t, privateDatabase(t, "mariadb", private), func() { private.kill(t) })
	})
}

func testMirror(t *testing.T, o database.Options, killDatabase func()) {
	s := newSite(t, o, newFolder(t))
	random := rand.New(rand.NewPCG(randomSeed(t), 0))
	putAll(t, s.inbox, mixedInput(random, 30))
	s.drain(t)
	r := newReplicas(t, s)
	m := &mirror{url: r.url(), client: http.Client{Timeout: 10 * time.Second}}
	if err := m.export(); err != nil {
		t.Fatal(err)
	}
	worker := s.start(t, "worker")
	var following sync.WaitGroup
	var over atomic.Bool
	broken := 0
	following.Go(func() {
		for !over.Load() {
			if m.follow(t) != nil { // something was killed under it: ask again
				broken++
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	for i := range 8 {
		for key, body := range mixedInput(random, 10) {
			s.put(t, fmt.Sprint(i, "-", key), body)
		}
		if i%4 == 2 {
			killDatabase()
		}
		r.replace(t, i)
	}
	waitFor(t, "the worker to drain all", func() bool { return len(s.keys(t)) == 0 })
	over.Store(true)
	following.Wait()
	if code := worker.stop(t); code != 0 {
		t.Errorf("worker: exit %d", code)
	}
	last, err := s.db.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the mirror to catch up", func() bool { return m.follow(t) == nil && m.revision >= last })
	fresh := &mirror{url: r.url()}
	waitFor(t, "an export of the last revision", func() bool { return fresh.export() == nil && fresh.revision == last })
	if diff := cmp.Diff(fresh.movies, m.movies); diff != "" || m.revision != last {
		t.Errorf("at revision %d of %d, export -, mirror +: %.3000s", m.revision, last, diff)
	}
	t.Logf("%d movies at revision %d; %d requests broke", len(m.movies), m.revision, broken)
}

// replace kills a process, or lets it end, and starts it again.
func (r *replicas) replace(t *testing.T, turn int) {
	t.Helper()
	i := turn % len(r.all)
	one := r.all[i].Load()
	if turn%4 < 2 {
		_ = one.Process.Kill()
		one.exit(t)
	} else if code := one.stop(t); code != 0 {
		t.Errorf("an API ended with %d", code)
	}
	r.start(t, i)
}

// mirror is a copy of the catalogue elsewhere.
type mirror struct {
	url      string
	client   http.Client
	movies   map[int64]string
	revision int64
}

func (m *mirror) get(path string) (*http.Response, error) {
	response, err := m.client.Get(m.url + path)
	if err == nil && response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		err = errors.New(response.Status)
	}
	return response, err
}

func (m *mirror) export() error {
	response, err := m.get("/export")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	m.movies = make(map[int64]string)
	if m.revision, err = strconv.ParseInt(response.Header.Get("Catalogue-Revision"), 10, 64); err != nil {
		return err
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		var film film
		if err := json.Unmarshal(lines.Bytes(), &film); err != nil {
			return err
		}
		m.movies[film.ID] = lines.Text()
	}
	return lines.Err()
}

// follow takes over the next changes; what it did not read whole it did not read.
func (m *mirror) follow(t *testing.T) error {
	t.Helper()
	response, err := m.get(fmt.Sprint("/changes?wait=100ms&since=", m.revision))
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var page struct {
		Changes []struct {
			Revision, ID int64
			Movie        *json.RawMessage
		}
		Revision int64
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return err
	}
	for i, c := range page.Changes {
		if c.Revision != m.revision+int64(i)+1 {
			t.Errorf("revision %d follows %d", c.Revision, m.revision+int64(i))
		}
	}
	for _, c := range page.Changes {
		delete(m.movies, c.ID)
		if c.Movie != nil {
			m.movies[c.ID] = string(*c.Movie)
		}
	}
	m.revision = page.Revision
	return nil
}
