package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
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
	synctest.Test(t, func(t *testing.T) {
		const clients = 100
		s := hugeStock(t, clients+1)
		a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20})
		written, release := make(chan struct{}, clients), make(chan struct{})
		answers := make(chan int, clients)
		var asking sync.WaitGroup
		for i := range clients {
			asking.Go(func() {
				w := &statusWriter{header: http.Header{}}
				r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprint("/movies?start=", i+2), nil)
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
	})
}

// statusWriter keeps the status of an answer.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
