package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/server"
)

// pipes is a network in memory, so that a server can run in a synctest bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// inServer runs a test on a server configured as in production, in a synctest bubble.
func inServer(t *testing.T, test func(t *testing.T, s *shelf, network *pipes, end func())) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, endAPI func()) {
		network := newPipes()
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		ended := make(chan error, 1)
		go func() {
			ended <- server.Serve(ctx, network, a, server.Options{Logger: slog.New(logless), Drain: time.Second})
		}()
		end := func() { stop(); go endAPI() }
		defer func() {
			end()
			if err := <-ended; err != nil {
				t.Errorf("the server's end: %v", err)
			}
		}()
		test(t, s, network, end)
	})
}

// stream is a client of server-sent events.
type stream struct {
	*testing.T
	response *http.Response
	lines    *bufio.Reader
	close    func()
}

func follow(t *testing.T, network *pipes, query string, headers ...string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api/changes?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DialContext: network.dial}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return &stream{t, response, bufio.NewReader(response.Body), func() {
		_ = response.Body.Close()
		transport.CloseIdleConnections()
	}}
}

// next returns the next event or comment, its lines joined by spaces.
func (s *stream) next() (string, error) {
	var lines []string
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\n" {
			return strings.Join(lines, " "), nil
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
}

func (s *stream) expect(want ...string) {
	s.Helper()
	for _, w := range want {
		if got, err := s.next(); err != nil || got != w {
			s.Errorf("event %q, %v, want %q", got, err, w)
			return
		}
	}
}

func event(revision, id int, movie string) string {
	return fmt.Sprintf(`id: %d event: change data: {"revision": %d, "id": %d, "movie": %s}`, revision, revision, id, movie)
}

func TestStream(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, end func()) {
		all := follow(t, network, "")
		defer all.close()
		if h := all.response.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" || h.Get("X-Accel-Buffering") != "no" ||
			h.Get("Catalogue-Revision") != "6" || h.Get("Content-Encoding") != "" {
			t.Errorf("%v", h)
		}
		all.expect(": 6", event(1, 1, one), event(2, 2, two), event(3, 3, "null"), event(4, 4, four), event(5, 5, five), event(6, 3, "null"))
		some := follow(t, network, "since=4&limit=1&wait=1s")
		defer some.close()
		some.expect(": 6", event(5, 5, five), event(6, 3, "null"))
		resumed := follow(t, network, "since=1", "Last-Event-ID", "5")
		defer resumed.close()
		resumed.expect(": 6", event(6, 3, "null"))
		byParameter := follow(t, network, "since=1&lastEventId=5")
		defer byParameter.close()
		byParameter.expect(": 6", event(6, 3, "null"))
		byHeader := follow(t, network, "since=1&lastEventId=2", "Last-Event-ID", "5")
		defer byHeader.close()
		byHeader.expect(": 6", event(6, 3, "null"))
		beating := time.Now()
		var reading sync.WaitGroup
		for _, one := range []*stream{all, some, resumed, byParameter, byHeader} {
			reading.Go(func() { one.expect(":", ":") })
		}
		reading.Wait()
		if took := time.Since(beating); took != 2*15*time.Second {
			t.Errorf("two heartbeats took %s", took)
		}
		s.put(1, nil)
		put := time.Now()
		for _, one := range []*stream{all, some, resumed, byParameter, byHeader} {
			one.expect(event(7, 1, "null"))
		}
		if took := time.Since(put); took > time.Second {
			t.Errorf("a change took %s to reach all", took)
		}
		if n := s.count("Changes"); n != 4 {
			t.Errorf("%d calls, want 4: one for each place to begin at, one for the change that all share", n)
		}
		time.AfterFunc(12*time.Second, end)
		for _, one := range []*stream{all, some, resumed, byParameter, byHeader} {
			if got, err := one.next(); !errors.Is(err, io.EOF) {
				t.Errorf("%q, %v after the end", got, err)
			}
		}
	})
}

// TestStreamErrors: a bad stream request gets an error status.
func TestStreamErrors(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
		s.set(func() { s.pruned = 3 })
		for query, status := range map[string]int{
			"since=2": 410, "": 410, "since=7": 410, "since=x": 400, "since=4 -1": 400, "since=4 x": 400, "since=4 2": 410, "since=2 4": 200,
			"since=4 9223372036854775808": 400, "limit=0": 400, "since=3&x=1": 400, "since=3": 200,
			"lastEventId=x": 400, "lastEventId=2": 410, "lastEventId=3": 200, "since=2&lastEventId=3": 200, "lastEventId=3&lastEventId=3": 400,
		} {
			query, last, _ := strings.Cut(query, " ")
			one := follow(t, network, query, "Last-Event-ID", last)
			if one.response.StatusCode != status {
				t.Errorf("%s, Last-Event-ID %s: %d, want %d", query, last, one.response.StatusCode, status)
			}
			one.close()
		}
	})
}

// TestStreamOutlives: a stream survives an unreachable database. Heartbeats continue, then the
// missed changes follow.
func TestStreamOutlives(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
		one := follow(t, network, "since=6")
		defer one.close()
		one.expect(": 6")
		var mu sync.Mutex
		away := map[string]bool{"Changes": true}
		s.set(func() {
			s.read = func(_ context.Context, method string) error {
				mu.Lock()
				defer mu.Unlock()
				if away[method] {
					return errSecrets
				}
				return nil
			}
		})
		set := func(to map[string]bool) { mu.Lock(); away = to; mu.Unlock() }
		s.put(9, &samples[0]) // the API sees the revision but cannot read the change
		one.expect(":")
		set(map[string]bool{"Changes": true, "Revision": true})
		one.expect(":", ":")
		set(nil)
		if got, err := one.next(); err != nil || !strings.HasPrefix(got, "id: 7 ") && got != ":" {
			t.Errorf("%q %v", got, err)
		} else if got == ":" {
			if got, err := one.next(); err != nil || !strings.HasPrefix(got, "id: 7 ") {
				t.Errorf("%q %v", got, err)
			}
		}
	})
}

// TestStreamOfRestored: a stream ends when an older copy of the catalogue was restored, so that
// the client notices.
func TestStreamOfRestored(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
		one := follow(t, network, "since=6")
		defer one.close()
		one.expect(": 6")
		s.set(func() {
			s.feed = s.feed[:2]
		})
		time.AfterFunc(5*time.Second, func() {
			for id := range int64(8) {
				s.put(20+id, &samples[0])
			}
		})
		if got, err := one.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q %v", got, err)
		}
	})
}

// TestStreamAheadOfItsCatalogue: the catalogue is restored to an older copy right after the API
// has seen a change. The stream ends and does not ask for the lost change repeatedly.
func TestStreamAheadOfItsCatalogue(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, _ func()) {
		one := follow(t, network, "since=6")
		defer one.close()
		one.expect(": 6")
		s.set(func() {
			s.after = func(method string) {
				if method == "Since" { // the API has seen the change
					s.set(func() { s.feed = s.feed[:6] })
				}
			}
		})
		s.put(9, &samples[0])
		if got, err := one.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%q %v", got, err)
		}
		if n := s.count("Changes"); n > 3 {
			t.Errorf("%d questions for what is not there", n)
		}
	})
}

// TestSlowStream: the API cuts off a client that reads nothing, whether it is behind or gets only
// heartbeats.
func TestSlowStream(t *testing.T) {
	for name, most := range map[string]time.Duration{"since=0": 21 * time.Second, "since=6": 36 * time.Second} {
		inServer(t, func(t *testing.T, _ *shelf, network *pipes, _ func()) {
			conn, err := network.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			began := time.Now()
			if _, err := io.WriteString(conn, "GET /changes?"+name+" HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(conn)
			for line := ""; !strings.HasPrefix(line, ": 6"); {
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(most) // the client reads nothing meanwhile
			if _, err := io.Copy(io.Discard, lines); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > most {
				t.Errorf("%s: it took %s until the server hung up", name, took)
			}
		})
	}
}

// TestBodyThatNeverComes: the API cuts off a request whose announced body never arrives, even on
// routes with slow answers.
func TestBodyThatNeverComes(t *testing.T) {
	for _, path := range []string{"/movies", "/changes", "/changes?since=6&wait=1m", "/export"} {
		inServer(t, func(t *testing.T, _ *shelf, network *pipes, _ func()) {
			conn, err := network.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			began := time.Now()
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", path); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 61*time.Second {
				t.Errorf("%s: it took %s until the server hung up", path, took)
			}
		})
	}
}

// TestEndOfBusyStream: a client that is far behind does not delay the shutdown.
func TestEndOfBusyStream(t *testing.T) {
	inServer(t, func(t *testing.T, s *shelf, network *pipes, end func()) {
		for range 50_000 {
			s.put(1, &samples[0])
		}
		one := follow(t, network, "since=6")
		defer one.close()
		time.AfterFunc(100*time.Millisecond, end)
		n := 0
		for {
			if _, err := one.next(); err != nil {
				break
			}
			n++
			time.Sleep(time.Millisecond)
		}
		if n > 1000 {
			t.Errorf("%d events came until the end", n)
		}
	})
}

// TestThousandStreams measures the memory for each streaming client, and checks that one call
// serves a change to all.
func TestThousandStreams(t *testing.T) {
	const clients = 1000
	s := stock(t)
	url := serve(t, s, logless)
	before := liveMemory()
	var streams []*bufio.Reader
	for range clients {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET /changes?since=6 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, bufio.NewReaderSize(conn, 16))
	}
	until := func(prefix string) {
		for _, lines := range streams {
			for line := ""; !strings.HasPrefix(line, prefix); {
				var err error
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	until(": 6")
	t.Logf("%d bytes for each of %d clients", (liveMemory()-before)/clients, clients)
	s.count("Changes")
	began := time.Now()
	s.put(9, &samples[0])
	until("id: 7")
	t.Logf("a change took %s to reach all", time.Since(began).Round(time.Millisecond))
	if n := s.count("Changes"); n != 1 {
		t.Errorf("%d calls", n)
	}
}
