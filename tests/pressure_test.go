package tests

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSlowDownloads: forty clients download a large export at 1 KB/s. Pages and /readyz still
// answer 200. The API rejects exports above the limit at once, and cuts off the slow ones, so
// that others have their turn.
func TestSlowDownloads(t *testing.T) {
	s := newSite(t, server(t), newFolder(t))
	s.put(t, "films.ndjson", []byte(largeFilms(4000))) // 33 MB, more than the buffers on the way hold
	s.drain(t)
	p := s.start(t, "api")
	api, admin := strings.TrimPrefix(p.apiOf(t), "http://"), p.adminOf(t, "API starts")
	get(t, "http://"+api+"/movies?limit=1")
	var running, refused atomic.Int64
	var over atomic.Bool // all exports are cut off
	var clients sync.WaitGroup
	began := time.Now()
	for range 40 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", api)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			if _, err := io.WriteString(conn, "GET /export HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Error(err)
				return
			}
			response, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "" {
				refused.Add(1)
				return
			}
			running.Add(1)
			for err == nil { // until the server cuts it off
				_, err = io.CopyN(io.Discard, response.Body, 100)
				time.Sleep(100 * time.Millisecond)
				if over.Load() {
					break // skip the rest in the buffers
				}
			}
		})
	}
	waitFor(t, "all clients to be answered", func() bool { return running.Load()+refused.Load() == 40 })
	var slowest time.Duration
	for i := range 200 {
		asked := time.Now()
		if got := status("http://" + api + "/movies?limit=" + strconv.Itoa(i%100+1)); got != http.StatusOK {
			t.Errorf("a page beside them: %d", got)
		}
		if got := status(admin + "/readyz"); got != http.StatusOK {
			t.Errorf("readyz beside them: %d", got)
		}
		slowest = max(slowest, time.Since(asked))
	}
	t.Logf("%d exports run, %d are refused; the slowest page and /readyz beside them: %s", running.Load(), refused.Load(), slowest.Round(time.Millisecond))
	if running.Load() != 4 || refused.Load() != 36 {
		t.Errorf("%d exports run, %d are refused, want 4 and 36", running.Load(), refused.Load())
	}
	waitFor(t, "the slow clients to be cut off", func() bool { return metric(t, admin, "movies_api_requests_running") == "0" })
	t.Logf("all slow clients are cut off after %s", time.Since(began).Round(time.Second))
	over.Store(true)
	clients.Wait()
}

// TestMemoryOfLargeMovies: a hundred movies of a megabyte each are legal. Twenty clients read
// pages, changes, streams and exports of them at once. The API stays below the memory limit of
// its pod.
func TestMemoryOfLargeMovies(t *testing.T) {
	const clients, limit = 20, 256 << 20
	s := newSite(t, server(t), newFolder(t))
	cast := make([]string, 0, 2000)
	for i := range 2000 {
		cast = append(cast, fmt.Sprintf(`"%04d %s"`, i, strings.Repeat("x", 505)))
	}
	for i := range 100 {
		s.put(t, fmt.Sprintf("%d.json", i), []byte(fmt.Sprintf(`{"title": "Large %d", "year": 2000, "cast": [%s]}`, i, strings.Join(cast, ","))))
	}
	s.drain(t)
	s.env = append(s.env, "GOMEMLIMIT=200MiB") // less than of 256 MiB, the limit in the manifests
	p := s.start(t, "api")
	api, admin := p.apiOf(t), p.adminOf(t, "API starts")
	var answers, bytes, busy atomic.Int64
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for i := range clients {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				path := []string{
					fmt.Sprint("/movies?limit=100&start=", (i*7+n)%100+1), fmt.Sprint("/changes?limit=1000&since=", (i*11+n)%100), "/export",
				}[(i+n)%3]
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Accept-Encoding", []string{"gzip", "zstd", "identity"}[n%3])
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				read, err := io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				switch {
				case err != nil:
					t.Errorf("%s: %v", path, err)
				case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
					busy.Add(1)
				case response.StatusCode != http.StatusOK:
					t.Errorf("%s: %s", path, response.Status)
				default:
					answers.Add(1)
					bytes.Add(read)
				}
			}
		})
	}
	most := 0.0
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resident, err := strconv.ParseFloat(metric(t, admin, "process_resident_memory_bytes"), 64)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, resident)
	}
	close(stop)
	asking.Wait()
	t.Logf("%d answers of %d MB, %d told to come again; at most %.0f MiB of memory", answers.Load(), bytes.Load()/1e6, busy.Load(), most/(1<<20))
	if most > limit || answers.Load() < clients {
		t.Errorf("%d answers, %.0f MiB of memory, want less than %d", answers.Load(), most/(1<<20), limit>>20)
	}
}
