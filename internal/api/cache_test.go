package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/movie"
)

// reads are the methods that read what is kept.
var reads = []string{"Movie", "Movies", "Genres", "Years", "Changes", "History"}

// keptPaths are requests whose answers are kept.
var keptPaths = []string{"/movies", "/movies?limit=2", "/movies?genre=Politics", "/movies/1", "/movies/1/history", "/genres", "/years"}

// stock is a shelf with the samples.
func stock(t *testing.T) *shelf {
	s := &shelf{t: t}
	for i, m := range samples {
		s.put(int64(i+1), &m)
	}
	s.put(deleted, nil)
	return s
}

// inBubble runs a test by a clock of its own, on an API with a staleness of a
// second.
func inBubble(t *testing.T, test func(t *testing.T, s *shelf, a *api.API, end func())) {
	synctest.Test(t, func(t *testing.T) {
		s := stock(t)
		a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20})
		test(t, s, a, end)
	})
}

// TestKeptAnswers: what was answered once costs no call while nothing changes,
// neither again nor as 304.
func TestKeptAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		for _, path := range keptPaths {
			first := record(t, a, http.MethodGet, path)
			if n := s.count(reads...); n != 1 || !strings.HasPrefix(first.timing, "db;dur=") {
				t.Errorf("%s: %d calls at first, Server-Timing %q", path, n, first.timing)
			}
			time.Sleep(time.Hour)
			tag := first.header.Get("ETag")
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				if again := record(t, a, method, path); again.status != http.StatusOK || again.timing != "cache" || again.header.Get("ETag") != tag {
					t.Errorf("%s: %d, Server-Timing %q, ETag %q", path, again.status, again.timing, again.header.Get("ETag"))
				}
				if same := record(t, a, method, path, "If-None-Match", tag); same.status != http.StatusNotModified || len(same.body) > 0 {
					t.Errorf("%s: %d %q", path, same.status, same.body)
				}
			}
			if n := s.count(reads...); n > 0 {
				t.Errorf("%s: %d calls for what is kept", path, n)
			}
		}
		if n := s.count("Revision"); n < 6*2*3600 {
			t.Errorf("the revision was looked at %d times in 6 hours", n)
		}
	})
}

// TestConcurrentMisses: many who ask for the same at the same time cost one call.
func TestConcurrentMisses(t *testing.T) {
	for _, path := range keptPaths {
		inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
			s.set(func() {
				s.after = func(method string) {
					if method != "Revision" {
						time.Sleep(100 * time.Millisecond)
					}
				}
			})
			var asking sync.WaitGroup
			for range 50 {
				asking.Go(func() {
					if got := record(t, a, http.MethodGet, path); got.status != http.StatusOK {
						t.Errorf("%s: %d", path, got.status)
					}
				})
			}
			asking.Wait()
			if n := s.count(reads...); n != 1 {
				t.Errorf("%s: %d calls", path, n)
			}
		})
	}
}

// TestMovieSurvives: a movie is kept through changes of others, and dropped with
// its own; lists are dropped with each.
func TestMovieSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		look := func() string { return string(record(t, a, http.MethodGet, "/movies/1").body) }
		look()
		s.count(reads...)
		for year := 1901; year < 1910; year++ {
			m := samples[1]
			m.Year = year
			s.put(2, &m)
			time.Sleep(time.Second)
			if body := look(); body != one+"\n" {
				t.Errorf("movie 1 is %s", body)
			}
			if got := record(t, a, http.MethodGet, "/movies/2"); !strings.Contains(string(got.body), fmt.Sprint(year)) {
				t.Errorf("movie 2 in %d is %s", year, got.body)
			}
			if got := record(t, a, http.MethodGet, "/movies"); !strings.Contains(string(got.body), fmt.Sprint(year)) {
				t.Errorf("movies in %d are %s", year, got.body)
			}
			if n := s.count(reads...); n != 2 {
				t.Errorf("%d calls after a change of movie 2, want 2: for it, and for the list", n)
			}
		}
		s.put(1, nil)
		time.Sleep(time.Second)
		if got := record(t, a, http.MethodGet, "/movies/1"); got.status != http.StatusNotFound {
			t.Errorf("movie 1 is deleted: %d %s", got.status, got.body)
		}
		// More changes than are dropped one by one, and changes that are no
		// longer kept: any may be outdated.
		for _, upheaval := range []func(){
			func() {
				for range 2000 {
					s.put(2, &samples[1])
				}
			},
			func() { s.put(2, &samples[1]); s.set(func() { s.pruned = int64(len(s.feed)) }) },
		} {
			s.put(1, &samples[0])
			time.Sleep(time.Second)
			look()
			s.count(reads...)
			upheaval()
			time.Sleep(time.Second)
			if look(); s.count(reads...) != 1 {
				t.Error("after many changes, a movie was not read anew")
			}
		}
	})
}

// TestStaleness: what was committed so long ago is in every answer.
func TestStaleness(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		s.set(func() { // a slow database
			s.after = func(string) { time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond) }
		})
		for year := 1901; year < 2000; year++ {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			m := samples[0]
			m.Year = year
			s.put(1, &m)
			for _, path := range keptPaths { // fills the cache with what is old soon
				record(t, a, http.MethodGet, path)
			}
			time.Sleep(time.Second)
			for _, path := range []string{"/movies", "/movies?limit=100", "/movies/1", "/years"} {
				got := record(t, a, http.MethodGet, path)
				if !strings.Contains(string(got.body), fmt.Sprint(year)) {
					t.Errorf("%s in %d is %s", path, year, got.body)
				}
			}
		}
	})
}

// TestCatalogueGoes: while the catalogue is away, what is kept is served with
// its age and the rest is 503; when it is back, all is as before.
func TestCatalogueGoes(t *testing.T) {
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
		for _, path := range keptPaths {
			got := record(t, a, http.MethodGet, path)
			if age := got.header.Get("Age"); got.status != http.StatusOK || age != "90" && age != "91" {
				t.Errorf("%s: %d, Age %q", path, got.status, age)
			}
		}
		for _, path := range []string{"/movies?limit=7", "/movies/2", "/changes", "/export", "/status"} {
			checkAway(t, path, record(t, a, http.MethodGet, path))
		}
		s.put(1, &samples[1])
		mu.Lock()
		away = false
		mu.Unlock()
		time.Sleep(time.Second)
		for _, path := range append(keptPaths, "/movies?limit=7", "/movies/2", "/changes", "/export", "/status") {
			got := record(t, a, http.MethodGet, path)
			if age := got.header.Get("Age"); got.status != http.StatusOK || age != "" {
				t.Errorf("%s: %d, Age %q", path, got.status, age)
			}
		}
		if got := record(t, a, http.MethodGet, "/movies/1"); !strings.Contains(string(got.body), "He said") {
			t.Errorf("movie 1 is %s", got.body)
		}
	})
}

// TestHangingCatalogue is one that does not even fail.
func TestHangingCatalogue(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		record(t, a, http.MethodGet, "/movies")
		s.set(func() { s.read = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() } })
		time.Sleep(time.Minute)
		if got := record(t, a, http.MethodGet, "/movies"); got.status != http.StatusOK || got.header.Get("Age") == "" {
			t.Errorf("%d %v", got.status, got.header)
		}
		asked := time.Now()
		checkAway(t, "/movies/2", record(t, a, http.MethodGet, "/movies/2"))
		if took := time.Since(asked); took > 11*time.Second {
			t.Errorf("it took %s to give up", took)
		}
	})
}

// TestOutdatedLoad: what was read before a change, and comes after it was seen,
// answers those who asked before and is not kept.
func TestOutdatedLoad(t *testing.T) {
	for _, path := range []string{"/movies/1", "/movies", "/genres"} {
		inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
			release := make(chan struct{})
			s.set(func() {
				s.after = func(method string) {
					if method == "Movie" || method == "Movies" || method == "Genres" {
						<-release
					}
				}
			})
			var asking sync.WaitGroup
			asking.Go(func() {
				if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), "Politics") {
					t.Errorf("%s was %s", path, got.body)
				}
			})
			synctest.Wait() // it has been read
			m := samples[0]
			m.Genres = []string{"New"}
			s.put(1, &m)
			time.Sleep(time.Second)
			// One who asks now must not get what is still on its way.
			asking.Go(func() {
				if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), "New") {
					t.Errorf("%s after the change is %s", path, got.body)
				}
			})
			synctest.Wait()
			close(release)
			asking.Wait()
			if got := record(t, a, http.MethodGet, path); !strings.Contains(string(got.body), "New") {
				t.Errorf("%s at last is %s", path, got.body)
			}
		})
	}
}

// TestPanickingCatalogue: not even that ends the process.
func TestPanickingCatalogue(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		s.set(func() { s.read = func(context.Context, string) error { panic("broken") } })
		time.Sleep(3 * time.Second)
		for _, path := range []string{"/movies", "/movies/1", "/changes", "/genres"} {
			checkAway(t, path, record(t, a, http.MethodGet, path))
		}
		s.set(func() { s.read = nil })
	})
}

// TestEviction: what is kept stays below its bound, and what is asked for after
// many changes is kept all the same.
func TestEviction(t *testing.T) {
	s := stock(t)
	long := samples[0]
	long.Title = strings.Repeat("long ", 200)
	for id := range int64(30) {
		s.put(100+id, &long)
	}
	a, _ := startWith(t, api.Options{Catalogue: s, Staleness: staleness, CacheBytes: 1 << 20})
	const size = 2 * 25 * 1100 // two lists of 25 long titles
	ask := func(n int) (calls int) {
		for i := range n {
			record(t, a, http.MethodGet, fmt.Sprint("/movies?start=", 1000+i))
		}
		time.Sleep(20 * time.Millisecond) // what is above the bound goes in the background
		return s.count("Movies")
	}
	ask(200)
	if calls := ask(200); (200-calls)*size > 1<<20 {
		t.Errorf("%d of 200 answers are kept, which is more than 1 MiB", 200-calls)
	}
	for range 50 {
		s.put(200, &long)
		time.Sleep(3 * staleness)
		ask(10)
	}
	time.Sleep(50 * staleness) // the last change has been seen
	ask(10)
	if calls := ask(10); calls > 2 {
		t.Errorf("%d of 10 answers are not kept", calls)
	}
}

// TestCatalogueRestored: an older copy of the catalogue is another one.
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
