package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/movie"
)

// reads are the catalogue methods that read the database to answer requests.
var reads = []string{"Movie", "Movies", "Changes", "History"}

// keptPaths are requests whose answers the API caches.
var keptPaths = append(slices.Clone(indexPaths), "/movies/1/history")

// indexPaths are requests that the API answers from the index.
var indexPaths = []string{
	"/movies", "/movies?limit=2", "/movies?genre=Politics", "/movies?sort=title&q=a", "/genres", "/years?genre=Politics", "/people?name=m", "/suggest?q=da",
}

// stock returns a shelf with the samples.
func stock(t *testing.T) *shelf {
	s := &shelf{t: t}
	for i, m := range samples {
		s.put(int64(i+1), &m)
	}
	s.put(deleted, nil)
	return s
}

// inBubble runs a test with a synthetic clock, on an API with a staleness of one second.
func inBubble(t *testing.T, test func(t *testing.T, s *shelf, a *api.API, end func())) {
	synctest.Test(t, func(t *testing.T) {
		s := stock(t)
		a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20})
		test(t, s, a, end)
	})
}

// TestKeptAnswers: while nothing changes, the API computes an answer once. Answers from the index
// and 304 responses cost no call to the database.
func TestKeptAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		for _, path := range append(keptPaths, "/movies/1") {
			first := record(t, a, http.MethodGet, path)
			calls, timing, again := 0, "index;dur=", "cache"
			switch path {
			case "/movies/1/history":
				calls, timing = 1, "db;dur="
			case "/movies/1": // cheaper to compute than to cache
				again = "index;dur="
			}
			if n := s.count(reads...); n != calls || !strings.HasPrefix(first.timing, timing) {
				t.Errorf("%s: %d calls at first, Server-Timing %q", path, n, first.timing)
			}
			time.Sleep(time.Hour)
			tag := first.header.Get("ETag")
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got := record(t, a, method, path)
				if got.status != http.StatusOK || !strings.HasPrefix(got.timing, again) || got.header.Get("ETag") != tag {
					t.Errorf("%s: %d, Server-Timing %q, ETag %q", path, got.status, got.timing, got.header.Get("ETag"))
				}
				if same := record(t, a, method, path, "If-None-Match", tag); same.status != http.StatusNotModified || len(same.body) > 0 {
					t.Errorf("%s: %d %q", path, same.status, same.body)
				}
			}
			if n := s.count(reads...); n > 0 {
				t.Errorf("%s: %d calls for what is kept", path, n)
			}
		}
		if n := s.count("Since"); n < 6*2*3600 {
			t.Errorf("changes were looked for %d times in 6 hours", n)
		}
		if n := s.count("Snapshot"); n != 1 {
			t.Errorf("the catalogue was loaded %d times", n)
		}
	})
}

// TestConcurrentMisses: many concurrent requests for the same path cost one call.
func TestConcurrentMisses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		s.set(func() {
			s.after = func(method string) {
				if method == "History" {
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				if got := record(t, a, http.MethodGet, "/movies/1/history"); got.status != http.StatusOK {
					t.Error(got.status)
				}
			})
		}
		asking.Wait()
		if n := s.count(reads...); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestChangesShow: a change shows in movies and lists. It also shows after the change log was
// pruned, which costs a load of all movies.
func TestChangesShow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		for n := 1901; n < 1910; n++ {
			m := samples[1]
			m.Genres = []string{fmt.Sprint("Genre ", n)}
			s.put(2, &m)
			time.Sleep(time.Second)
			if body := record(t, a, http.MethodGet, "/movies/1").body; string(body) != one+"\n" {
				t.Errorf("movie 1 is %s", body)
			}
			for _, path := range []string{"/movies/2", "/movies", "/genres", fmt.Sprint("/suggest?q=", n)} {
				if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), fmt.Sprint("Genre ", n)) {
					t.Errorf("%s after change %d is %s", path, n, got.body)
				}
			}
		}
		if n := s.count(reads...); n > 0 {
			t.Errorf("%d calls for what the index has", n)
		}
		s.put(1, nil)
		time.Sleep(time.Second)
		if got := record(t, a, http.MethodGet, "/movies/1"); got.status != http.StatusNotFound {
			t.Errorf("movie 1 is deleted: %d %s", got.status, got.body)
		}
		for _, pruned := range []bool{false, true} {
			s.count("Snapshot") // resets the count
			for range 2000 {
				s.put(2, &samples[1])
			}
			s.put(1, &samples[0])
			if pruned {
				s.set(func() { s.pruned = int64(len(s.feed)) })
			}
			time.Sleep(time.Second)
			if got := record(t, a, http.MethodGet, "/movies/1"); string(got.body) != one+"\n" {
				t.Errorf("movie 1 is back: %d %s", got.status, got.body)
			}
			if loads := s.count("Snapshot"); loads > 0 != pruned {
				t.Errorf("pruned: %t, %d loads", pruned, loads)
			}
			s.put(1, nil)
			time.Sleep(time.Second)
		}
	})
}

// TestStaleness: every answer contains the changes that are older than the staleness.
func TestStaleness(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		s.set(func() { // a slow database
			s.after = func(string) { time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond) }
		})
		for n := 1901; n < 2000; n++ {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			m := samples[0]
			m.Cast = []string{fmt.Sprint("Actor ", n)}
			s.put(1, &m)
			for _, path := range keptPaths { // fills the cache with answers that are soon stale
				record(t, a, http.MethodGet, path)
			}
			time.Sleep(time.Second)
			for _, path := range []string{"/movies", "/movies?limit=100", "/movies/1", "/people", fmt.Sprint("/people?name=", n)} {
				got := record(t, a, http.MethodGet, path)
				if !strings.Contains(string(got.body), fmt.Sprint("Actor ", n)) {
					t.Errorf("%s after change %d is %s", path, n, got.body)
				}
			}
		}
		s.set(func() { s.after = nil })
		time.Sleep(time.Second) // the last look outlives the API
	})
}

// TestCatalogueGoes: while the database is away, the API serves answers from the index and the
// cache with their age, and 503 for the rest. It recovers when the database is back.
func TestCatalogueGoes(t *testing.T) {
	// The API has not served others before the database goes away.
	others := []string{"/movies?limit=7", "/movies/2", "/movies/1", "/genres?year=2020", "/people?limit=1", "/suggest?q=pol"}
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		for _, path := range keptPaths {
			record(t, a, http.MethodGet, path)
		}
		var mu sync.Mutex
		away := true
		s.set(func() {
			s.read = func(ctx context.Context, _ string) error {
				mu.Lock()
				defer mu.Unlock()
				if away {
					return errSecrets
				}
				return ctx.Err()
			}
		})
		time.Sleep(90 * time.Second)
		for _, path := range append(others, keptPaths...) {
			got := record(t, a, http.MethodGet, path)
			if age := got.header.Get("Age"); got.status != http.StatusOK || age != "90" && age != "91" {
				t.Errorf("%s: %d, Age %q", path, got.status, age)
			}
		}
		if got := record(t, a, http.MethodGet, "/movies/999"); got.status != http.StatusNotFound || got.header.Get("Age") == "" {
			t.Errorf("a movie that is not known: %d, Age %q", got.status, got.header.Get("Age"))
		}
		for _, path := range []string{"/movies/2/history", "/changes", "/export", "/status"} {
			checkAway(t, path, record(t, a, http.MethodGet, path))
		}
		m := samples[0]
		m.Genres = []string{"New"}
		s.put(1, &m)
		mu.Lock()
		away = false
		mu.Unlock()
		time.Sleep(time.Second)
		for _, path := range append(others, "/movies", "/movies/2/history", "/changes", "/export", "/status") {
			got := record(t, a, http.MethodGet, path)
			if age := got.header.Get("Age"); got.status != http.StatusOK || age != "" {
				t.Errorf("%s: %d, Age %q", path, got.status, age)
			}
		}
		if got := record(t, a, http.MethodGet, "/movies/1"); !strings.Contains(string(got.body), "New") {
			t.Errorf("movie 1 is %s", got.body)
		}
	})
}

// TestHangingCatalogue: a database that hangs is handled like one that fails.
func TestHangingCatalogue(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		record(t, a, http.MethodGet, "/movies")
		s.set(func() { s.read = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() } })
		time.Sleep(time.Minute)
		if got := record(t, a, http.MethodGet, "/movies"); got.status != http.StatusOK || got.header.Get("Age") == "" {
			t.Errorf("%d %v", got.status, got.header)
		}
		asked := time.Now()
		checkAway(t, "/movies/2/history", record(t, a, http.MethodGet, "/movies/2/history"))
		if took := time.Since(asked); took > 11*time.Second {
			t.Errorf("it took %s to give up", took)
		}
	})
}

// TestOutdatedLoad: a load reads before a change and returns after the API has seen the change.
// The request that started it gets the result; the cache does not keep it.
func TestOutdatedLoad(t *testing.T) {
	const path, before, after = "/movies/1/history", `"revision": 1,`, `"revision": 7,`
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		release := make(chan struct{})
		s.set(func() {
			s.after = func(method string) {
				if method == "History" {
					<-release
				}
			}
		})
		var asking sync.WaitGroup
		asking.Go(func() {
			if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), before) {
				t.Errorf("%s was %s", path, got.body)
			}
		})
		synctest.Wait() // the first request has read the history
		s.put(1, &samples[0])
		time.Sleep(time.Second)
		// A later request must not get the result of the load in flight.
		asking.Go(func() {
			if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), after) {
				t.Errorf("%s after the change is %s", path, got.body)
			}
		})
		synctest.Wait()
		close(release)
		asking.Wait()
		if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), after) {
			t.Errorf("%s at last is %s", path, got.body)
		}
	})
}

// TestPanickingCatalogue: a panic in the catalogue does not end the process.
func TestPanickingCatalogue(t *testing.T) {
	broken := func(context.Context, string) error { panic("broken") }
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		s.set(func() { s.read = broken })
		time.Sleep(3 * time.Second)
		for _, path := range []string{"/changes", "/movies/1/history"} {
			checkAway(t, path, record(t, a, http.MethodGet, path))
		}
		if got := record(t, a, http.MethodGet, "/movies/1"); got.status != http.StatusOK {
			t.Errorf("from the index: %d", got.status)
		}
		s.set(func() { s.read = nil })
	})
	synctest.Test(t, func(t *testing.T) {
		a, _ := startWith(t, api.Options{Catalogue: &shelf{t: t, read: broken}, Staleness: time.Second, CacheBytes: 1 << 20})
		for _, path := range []string{"/movies", "/movies/1", "/changes", "/genres"} {
			checkAway(t, path, record(t, a, http.MethodGet, path))
		}
	})
}

// TestEviction: the cache stays below its size limit, and still keeps answers after many changes.
func TestEviction(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		long := samples[0]
		long.Title = strings.Repeat("long ", 200)
		for id := range int64(30) {
			s.put(100+id, &long)
		}
		time.Sleep(time.Second)    // until the API has seen them
		const size = 2 * 25 * 1100 // two lists of 25 long titles
		ask := func(n int) (made int) {
			for i := range n {
				if record(t, a, http.MethodGet, fmt.Sprint("/movies?start=", 1000+i)).timing != "cache" {
					made++
				}
			}
			synctest.Wait() // the cache evicts in the background
			return made
		}
		ask(200)
		if made := ask(200); (200-made)*size > 1<<20 {
			t.Errorf("%d of 200 answers are kept, which is more than 1 MiB", 200-made)
		}
		for range 50 {
			s.put(200, &long)
			time.Sleep(time.Second)
			ask(10)
		}
		if made := ask(10); made > 2 {
			t.Errorf("%d of 10 answers are not kept", made)
		}
	})
}

// TestCatalogueRestored: the API notices that an older copy of the catalogue was restored.
func TestCatalogueRestored(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		for _, path := range keptPaths {
			record(t, a, http.MethodGet, path)
		}
		s.set(func() {
			s.feed = s.feed[:2]
			s.movies = map[int64]movie.Movie{7: samples[0]}
		})
		time.Sleep(time.Second)
		got := record(t, a, http.MethodGet, "/movies")
		checkHeader(t, "/movies", got, "Catalogue-Revision", "2")
		if !strings.Contains(string(got.body), "/movies/7") || strings.Contains(string(got.body), "/movies/1") {
			t.Errorf("movies are %s", got.body)
		}
		if got := record(t, a, http.MethodGet, "/movies/1"); got.status != http.StatusNotFound {
			t.Errorf("movie 1: %d", got.status)
		}
	})
}
