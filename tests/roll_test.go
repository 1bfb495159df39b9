package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/client"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// replica is one API process and its readiness.
type replica struct {
	*process
	api, admin string
	ready      atomic.Bool
}

// replicas are API processes behind a balancer that connects clients to ready ones, as
// Kubernetes does.
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

// start starts the process with index i.
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

// TestRollAPI replaces both API processes, one after the other, while clients send requests
// over kept connections and never retry. No request fails, and requests are answered while a
// process is away.
func TestRollAPI(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	for i := range 60 {
		s.put(t, strconv.Itoa(i), fmt.Appendf(nil, `{"title": "Film %d", "year": 2000, "cast": ["A"], "genres": ["G"]}`, i))
	}
	s.drain(t)
	r := newReplicas(t, s)
	stop := make(chan struct{})
	var load sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); load.Wait() })
	defer end()
	const clients = 8
	var requests, connections atomic.Int64
	for range clients {
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
	// waitForAnswer waits until a request is answered that began after the call.
	waitForAnswer := func() {
		t.Helper()
		before := requests.Load()
		waitFor(t, "an answer", func() bool { return t.Failed() || requests.Load() > before+clients })
	}
	for range 2 {
		for i := range r.all {
			waitForAnswer()
			if code := r.all[i].Load().stop(t); code != 0 {
				t.Errorf("an API ended with %d", code)
			}
			waitForAnswer()
			r.start(t, i)
		}
	}
	end()
	t.Logf("%d requests over %d connections, 4 restarts", requests.Load(), connections.Load())
}

// careless is a client that never retries.
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

// page gets a page and returns the path of the next one, or of the first after the last.
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

// TestMirrorAcrossProcesses follows the change feed through a balancer while a worker drains
// new objects. Meanwhile the test kills and restarts API processes and the database server.
// The copy ends equal to the export.
func TestMirrorAcrossProcesses(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		testMirror(t, databasetest.SQLite(t), func() {})
	})
	t.Run("mariadb", func(t *testing.T) {
		needMariaDB(t)
		private := startPrivate(t, "mariadb")
		testMirror(t, privateDatabase(t, "mariadb", private), func() {
			private.kill(t)
			private.start(t)
		})
	})
}

func testMirror(t *testing.T, o database.Options, killDatabase func()) {
	s := newSite(t, o, newFolder(t))
	random := rand.New(rand.NewPCG(randomSeed(t), 0))
	putAll(t, s.inbox, mixedInput(random, 30))
	s.drain(t)
	r := newReplicas(t, s)
	feed, err := client.New(r.url())
	if err != nil {
		t.Fatal(err)
	}
	var broken atomic.Int64
	feed.OnRetry = func(error, time.Duration) { broken.Add(1) } // a process was killed
	m := &mirror{errorf: t.Errorf}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var following sync.WaitGroup
	following.Go(func() {
		if err := feed.Mirror(ctx, 0, m); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	worker := s.start(t, "worker")
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
	if code := worker.stop(t); code != 0 {
		t.Errorf("worker: exit %d", code)
	}
	last, err := s.db.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the mirror to catch up", func() bool { return m.at(last) })
	stop()
	following.Wait()
	fresh := &mirror{errorf: t.Errorf}
	waitFor(t, "an export of the last revision", func() bool {
		revision, movies, err := feed.Export(t.Context(), client.Filter{})
		return err == nil && fresh.Replace(t.Context(), revision, movies) == nil && fresh.at(last)
	})
	if diff := cmp.Diff(fresh.movies, m.movies); diff != "" {
		t.Errorf("at revision %d, export -, mirror +: %.3000s", last, diff)
	}
	t.Logf("%d movies at revision %d; %d requests broke", len(m.movies), last, broken.Load())
}

// replace kills or stops a process, and starts it again.
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

// mirror is a copy of the catalogue.
type mirror struct {
	errorf   func(string, ...any)
	mu       sync.Mutex
	movies   map[int64]client.Movie
	revision int64
}

// Replace implements client.Copy.
func (m *mirror) Replace(_ context.Context, revision int64, movies iter.Seq2[client.Movie, error]) error {
	fresh := map[int64]client.Movie{}
	for movie, err := range movies {
		if err != nil {
			return err
		}
		fresh[movie.ID] = movie
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.movies, m.revision = fresh, revision
	return nil
}

// Apply implements client.Copy.
func (m *mirror) Apply(_ context.Context, changes []client.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if c.Revision != m.revision+1 {
			m.errorf("revision %d follows %d", c.Revision, m.revision)
		}
		m.revision = c.Revision
		delete(m.movies, c.ID)
		if c.Movie != nil {
			m.movies[c.ID] = *c.Movie
		}
	}
	return nil
}

// copied returns a copy of the movies.
func (m *mirror) copied() map[int64]client.Movie {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.movies)
}

// at reports whether the mirror has reached a revision.
func (m *mirror) at(revision int64) bool { return m.now() == revision }

func (m *mirror) now() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision
}
