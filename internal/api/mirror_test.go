package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestMirror builds a mirror from an export and the feed. It reads the feed in turn as pages, by
// long polls and as streams, while a worker commits batches and the API restarts now and then. The
// mirror must end equal to the catalogue.
func TestMirror(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		random := rand.New(rand.NewPCG(21, 22))
		commitAtRandom(t, db, random, 3) // the export contains these
		front := &front{db: db, end: func() {}}
		if err := front.restart(); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(front)
		defer server.Close()
		defer func() { front.end() }()

		m := &mirror{T: t, url: server.URL, random: rand.New(rand.NewPCG(23, 24)), seen: map[string]int{}}
		m.export()
		var writing sync.WaitGroup
		var done atomic.Bool
		defer writing.Wait() // also if the mirror fails: the last API is ended after that
		writing.Go(func() {
			defer done.Store(true)
			for range 25 {
				commitAtRandom(t, db, random, 1)
				if random.IntN(4) == 0 {
					if err := front.restart(); err != nil {
						t.Error(err)
						return
					}
				}
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			}
		})
		for !done.Load() {
			m.follow()
		}
		writing.Wait()
		for way, name := range []string{"page", "poll", "stream"} { // chance may have left one out
			for began := time.Now(); m.seen[name] == 0; {
				if time.Since(began) > time.Minute {
					t.Fatalf("no change comes by %s", name)
				}
				commitAtRandom(t, db, random, 1)
				m.turn = way + 2
				m.follow()
			}
		}
		last, err := db.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); m.revision < last && time.Since(began) < time.Minute; {
			m.follow()
		}
		if diff := cmp.Diff(shownMovies(t, db), m.movies); diff != "" || m.revision != last {
			t.Errorf("at revision %d of %d, catalogue -, mirror +: %.4000s", m.revision, last, diff)
		}
		t.Log(m.seen)
	})
}

// commitAtRandom commits batches about few movies: new ones, changes, deletions, and batches
// without effect.
func commitAtRandom(t *testing.T, db *catalogue.Catalogue, random *rand.Rand, batches int) {
	for range batches {
		var updates []movie.Update
		for range 1 + random.IntN(60) {
			updates = append(updates, movie.Update{
				Identity: movie.Identity{Title: fmt.Sprint("Movie ", random.IntN(100)), Year: 2000 + random.IntN(2)},
				Cast:     []string{fmt.Sprint(random.IntN(5))}, Deleted: random.IntN(4) == 0, Stamp: movie.Stamp{Time: movie.Time{Sec: random.Int64N(1000)}},
			})
		}
		if _, err := db.Apply(context.WithoutCancel(t.Context()), movie.Batch{Updates: updates}); err != nil {
			t.Error(err)
		}
	}
}

// front passes requests to the current API, which restart replaces, as in a rollout.
type front struct {
	db  *catalogue.Catalogue
	now atomic.Pointer[api.API]
	end func() // ends the current API
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.now.Load().ServeHTTP(w, r) }

// restart starts another API, passes requests to it, and ends the one before. It returns an error
// if the new one does not see the catalogue. It calls no method of the test, so another goroutine
// than the test's may call it.
func (f *front) restart() error {
	a := api.New(api.Options{
		Catalogue: f.db, Source: f.db, Logger: slog.New(slog.DiscardHandler), Staleness: staleness, CacheBytes: 1 << 20,
		Exports: exports, Version: "1.2.3",
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	end := func() { stop(); running.Wait() }
	// This waits for the first revision, so that every answer names one.
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/changes?since=9223372036854775807", nil))
	if w.Code != http.StatusGone { // no catalogue has that revision
		end()
		return fmt.Errorf("a new API answers %d %s", w.Code, w.Body)
	}
	f.now.Store(a)
	f.end()
	f.end = end
	return nil
}

// mirror is a client's copy of the catalogue.
type mirror struct {
	*testing.T
	url      string
	random   *rand.Rand
	movies   map[int64]shown
	revision int64
	turn     int
	seen     map[string]int // number of changes by way of reading
}

func (m *mirror) export() {
	got := ask(m.T, http.MethodGet, m.url+"/export")
	m.movies = exported(m.T, got.body)
	var err error
	if m.revision, err = strconv.ParseInt(got.header.Get("Catalogue-Revision"), 10, 64); err != nil {
		m.Fatal(err)
	}
}

// apply applies a change to the mirror. Revisions must have no gaps.
func (m *mirror) apply(way string, revision, id int64, movie *shown) {
	m.Helper()
	if revision != m.revision+1 {
		m.Fatalf("by %s: revision %d after %d", way, revision, m.revision)
	}
	m.revision = revision
	m.seen[way]++
	if movie == nil {
		delete(m.movies, id)
	} else {
		m.movies[id] = *movie
	}
}

// follow reads some changes; each call uses the next of the three ways.
func (m *mirror) follow() {
	m.Helper()
	m.turn++
	switch way := m.turn % 3; way {
	case 0, 1:
		time.Sleep(time.Duration(m.random.IntN(30)) * time.Millisecond) // so that there are changes
		name := []string{"page", "poll"}[way]
		path := fmt.Sprintf("/changes?limit=%d&since=%d", 1+m.random.IntN(50), m.revision)
		if way == 1 {
			path += "&wait=50ms"
		}
		p := feed(m.T, path, ask(m.T, http.MethodGet, m.url+path))
		for _, c := range p.Changes {
			m.apply(name, c.Revision, c.ID, c.Movie)
		}
		if p.Revision != m.revision || !strings.Contains(p.NextURL, fmt.Sprint("since=", m.revision)) {
			m.Errorf("%s: revision %d, next_url %s, want %d", path, p.Revision, p.NextURL, m.revision)
		}
	default:
		m.stream()
	}
}

// stream reads a stream for a random time.
func (m *mirror) stream() {
	m.Helper()
	ctx, stop := context.WithTimeout(m.Context(), time.Duration(m.random.IntN(100))*time.Millisecond)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/changes", nil)
	if err != nil {
		m.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", strconv.FormatInt(m.revision, 10))
	response, err := client.Do(r)
	if errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if err != nil {
		m.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		m.Fatalf("stream: %s", response.Status)
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		var c struct {
			Revision, ID int64
			Movie        *shown
		}
		if is && json.Unmarshal([]byte(data), &c) == nil { // the last line may be incomplete
			m.apply("stream", c.Revision, c.ID, c.Movie)
		}
	}
}
