package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/movie"
)

// hugeStock has n movies of one megabyte each.
func hugeStock(t *testing.T, n int64) *shelf {
	s := &shelf{t: t}
	huge := movie.Movie{Identity: movie.Identity{Title: strings.Repeat("x", 1<<20), Year: 2000}}
	for id := range n {
		s.put(id+1, &huge)
	}
	return s
}

// blocked is a client that reads nothing until release is closed.
type blocked struct {
	http.ResponseWriter
	written chan<- struct{}
	release <-chan struct{}
}

func (b blocked) Write(p []byte) (int, error) {
	b.written <- struct{}{}
	<-b.release
	return len(p), nil
}

// TestLargeAnswersWait: the API limits how many large answers it sends to slow clients at once.
// Others wait without holding memory, then get 503. Small answers do not wait.
func TestLargeAnswersWait(t *testing.T) {
	const clients = 100
	for name, path := range map[string]func(client int) string{
		"pages":     func(i int) string { return fmt.Sprint("/movies?start=", i+2) },
		"movies":    func(i int) string { return fmt.Sprint("/movies/", i+1) },
		"one movie": func(int) string { return "/movies/1" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { largeAnswersWait(t, clients, path) })
		})
	}
}

func largeAnswersWait(t *testing.T, clients int, path func(client int) string) {
	s := hugeStock(t, int64(clients)+1)
	a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20})
	before := liveMemory()
	written, release := make(chan struct{}, clients), make(chan struct{})
	answers := make(chan int, clients)
	var asking sync.WaitGroup
	for i := range clients {
		asking.Go(func() {
			w := &statusWriter{header: http.Header{}}
			r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, path(i), nil)
			a.ServeHTTP(struct {
				http.ResponseWriter
			}{blocked{w, written, release}}, r)
			answers <- w.status
		})
	}
	synctest.Wait()
	underWay := len(written)
	if underWay < 4 || underWay > 48 {
		t.Errorf("%d answers of a megabyte are under way", underWay)
	}
	if more := int64(liveMemory()-before) >> 20; more > int64(underWay)+16 {
		t.Errorf("%d MiB are held for %d answers of a megabyte", more, underWay)
	}
	if got := record(t, a, http.MethodGet, "/movies?title=none"); got.status != http.StatusOK {
		t.Errorf("a small answer beside them: %d", got.status)
	}
	time.Sleep(11 * time.Second)
	close(release)
	asking.Wait()
	busy := 0
	for range clients {
		if <-answers == http.StatusServiceUnavailable {
			busy++
		}
	}
	if busy != clients-underWay {
		t.Errorf("%d are told to come again, want %d", busy, clients-underWay)
	}
	if got := record(t, a, http.MethodGet, "/movies?start=3"); got.status != http.StatusOK {
		t.Errorf("%d afterwards", got.status)
	}
	end()
}

// statusWriter keeps the status of an answer.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }

// quitter is a client of a stream that disconnects at some time.
type quitter struct {
	statusWriter
	gone atomic.Bool
}

func (q *quitter) Write(b []byte) (int, error) {
	if q.gone.Load() {
		return 0, errors.New("gone")
	}
	return len(b), nil
}

func (q *quitter) Flush() {}

// TestStreamsGiveRoomBack: streams that end, in the middle of a large event or idle after one,
// leave as much room for large answers as there was.
func TestStreamsGiveRoomBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hugeStock(t, 1)
		a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20})
		stream := func(since int, during func(*quitter)) {
			q, ended := &quitter{statusWriter: statusWriter{header: http.Header{}}}, make(chan any)
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprint("/changes?since=", since), nil)
			r.Header.Set("Accept", "text/event-stream")
			go func() {
				defer func() { ended <- recover() }()
				a.ServeHTTP(q, r)
			}()
			synctest.Wait()
			during(q)
			leave()
			if why := <-ended; why != http.ErrAbortHandler { //nolint:errorlint // panics with the value itself
				t.Fatal(why)
			}
		}
		for range 60 { // more than the room, one after the other
			stream(len(s.feed), func(q *quitter) {
				q.gone.Store(true)
				huge := movie.Movie{Identity: movie.Identity{Title: strings.Repeat("x", 1<<20), Year: 2000}}
				s.put(int64(256*len(s.feed)+2), &huge) // in different pages of the index
				time.Sleep(time.Second)
			})
		}
		for range 3 {
			stream(len(s.feed)-1, func(*quitter) {})
		}
		if got := record(t, a, http.MethodGet, "/movies?limit=1"); got.status != http.StatusOK {
			t.Errorf("a large answer afterwards: %d", got.status)
		}
		end()
	})
}
