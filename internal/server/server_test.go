package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/server"
)

// TestDrain: the server finishes running requests, accepts no new ones, and returns no error.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := serve(t, 20*time.Second, func(w http.ResponseWriter, q *http.Request) {
			select {
			case <-release:
				hello(w, q)
			case <-q.Context().Done():
				t.Error("a running request is cancelled")
			}
		})
		busy, idle := r.dial(), r.dial()
		r.send(busy, get)
		synctest.Wait() // until the handler runs
		r.stop()
		synctest.Wait()
		if _, err := r.listener.dial(); !errors.Is(err, errRefused) {
			t.Errorf("a new connection: %v", err)
		}
		time.Sleep(19 * time.Second)
		select {
		case err := <-r.ended:
			t.Fatalf("ended while a request runs: %v", err)
		default:
		}
		close(release)
		if status, _, body := r.receive(busy); status != http.StatusOK || body != "hello" {
			t.Errorf("%d %q", status, body)
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		for _, conn := range []net.Conn{busy, idle} {
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				t.Error("a connection stays open")
			}
		}
	})
}

// TestDrainIdle: an idle kept-alive connection does not delay the end.
func TestDrainIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, time.Hour, hello)
		conn := r.dial()
		r.send(conn, get)
		r.receive(conn)
		start := time.Now()
		r.end()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestLameDuck: for a while after the stop, the server answers requests on old and new
// connections, each with Connection: close.
func TestLameDuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serveWith(t, server.Options{LameDuck: time.Second, Drain: 10 * time.Second}, hello)
		old := r.dial()
		r.send(old, get)
		if _, header, _ := r.receive(old); header.Get("Connection") != "" {
			t.Errorf("before the end: %v", header)
		}
		start := time.Now()
		r.stop()
		time.Sleep(900 * time.Millisecond)
		for _, conn := range []net.Conn{old, r.dial()} {
			r.send(conn, get)
			if status, header, body := r.receive(conn); status != http.StatusOK || body != "hello" || header.Get("Connection") != "close" {
				t.Errorf("%d %v %q", status, header, body)
			}
		}
		idle := r.dial()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		// net/http waits five seconds for the first request of a new connection.
		if took := time.Since(start); took < time.Second || took > 7*time.Second {
			t.Errorf("it took %s", took)
		}
		_ = idle.Close()
	})
}

// TestLameDuckAlone: without any open connection, the server still accepts new ones, from a
// balancer that does not know of the stop yet.
func TestLameDuckAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serveWith(t, server.Options{LameDuck: time.Second, Drain: time.Second}, hello)
		r.stop()
		time.Sleep(900 * time.Millisecond)
		conn := r.dial()
		r.send(conn, get)
		if status, _, body := r.receive(conn); status != http.StatusOK || body != "hello" {
			t.Errorf("%d %q", status, body)
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

// TestDrainTimeout: the server cuts off a request that does not end in time, and returns an
// error.
func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := make(chan struct{})
		r := serve(t, 3*time.Second, func(_ http.ResponseWriter, q *http.Request) {
			<-q.Context().Done()
			close(cancelled)
		})
		conn := r.dial()
		r.send(conn, get)
		synctest.Wait()
		start := time.Now()
		r.stop()
		err := <-r.ended
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("error %v, want a time-out that names the listener", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %s, want 3s", took)
		}
		<-cancelled
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the client got an answer")
		}
	})
}

// TestBrokenListener: if its listener fails, the server returns that error.
func TestBrokenListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, time.Second, hello)
		synctest.Wait()
		_ = r.Close()
		if err := <-r.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
		r.stop()
	})
}

// exhausted is a listener that cannot accept once.
type exhausted struct {
	net.Listener
	failed atomic.Bool
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }
func (temporary) Timeout() bool   { return false }

func (e *exhausted) Accept() (net.Conn, error) {
	if !e.failed.Swap(true) {
		return nil, temporary{syscall.EMFILE}
	}
	return e.Listener.Accept()
}

// TestNoDescriptors: the log warns when no connection can be accepted.
func TestNoDescriptors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- server.Serve(ctx, &exhausted{Listener: l}, http.NotFoundHandler(), server.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Drain: time.Second})
	}()
	response, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("%v, log %q", err, log.String())
	}
}

// TestPanic: the client gets a problem document or, if the answer has begun, a cut connection.
// The process survives and logs the panic.
func TestPanic(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		logged  string
	}{
		{"text", func(http.ResponseWriter, *http.Request) { panic("secret 42") }, "secret 42"},
		{"error", func(http.ResponseWriter, *http.Request) { panic(errors.New("secret 42")) }, "secret 42"},
		{"index", func(http.ResponseWriter, *http.Request) { _ = []int{}[len(get)] }, "index out of range"},
		{"nil map", func(http.ResponseWriter, *http.Request) { map[string]int(nil)["x"] = 1 }, "nil map"}, //nolint:staticcheck // on purpose,
		{"header is set", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "max-age=9")
			panic("secret 42")
		}, "secret 42"},
	} {
		inBubble(test.name, t, func(t *testing.T) {
			r := serve(t, time.Second, breakAt("/path", test.handler))
			conn := r.dial()
			r.send(conn, get)
			status, header, body := r.receive(conn)
			checkPanicked(t, status, header, body)
			r.send(conn, getOther) // the connection survives, too
			if status, _, body := r.receive(conn); status != http.StatusOK || body != "hello" {
				t.Errorf("then %d %q", status, body)
			}
			_ = conn.Close()
			r.end()
			checkLogged(t, r.log.String(), test.logged)
		})
	}
}

// breakAt runs the handler for one path and hello for all others.
func breakAt(path string, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			handler(w, r)
			return
		}
		hello(w, r)
	}
}

func checkPanicked(t *testing.T, status int, header http.Header, body string) {
	t.Helper()
	if status != http.StatusInternalServerError || header.Get("Content-Type") != "application/problem+json" ||
		header.Get("Cache-Control") == "max-age=9" {
		t.Errorf("%d %v", status, header)
	}
	want := map[string]any{"type": "about:blank", "title": "Internal Server Error", "status": 500.0, "detail": "internal error"}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got) != len(want) {
		t.Errorf("%v: %s", err, body)
	}
	for member, value := range want {
		if got[member] != value {
			t.Errorf("%s is %v", member, got[member])
		}
	}
}

func checkLogged(t *testing.T, log, value string) {
	t.Helper()
	for _, part := range []string{"level=ERROR", "panic", "/path", value, "server_test.go"} {
		if !strings.Contains(log, part) {
			t.Errorf("the log does not say %q: %s", part, log)
		}
	}
}

// TestPanicInBody: an answer that has begun must not look complete, nor contain a second
// document.
func TestPanicInBody(t *testing.T) {
	for name, test := range map[string]struct{ length, text, body string }{
		"chunked": {"", "half", "4\r\nhalf\r\n"},
		"counted": {"5", "half", "half"},
		"header":  {"", "", ""},
	} {
		inBubble(name, t, func(t *testing.T) {
			r := serve(t, time.Second, breakAt("/path", func(w http.ResponseWriter, _ *http.Request) {
				if test.length != "" {
					w.Header().Set("Content-Length", test.length)
				}
				if test.text != "" {
					_, _ = io.WriteString(w, test.text)
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Errorf("flush: %v", err)
				}
				panic("secret 42")
			}))
			conn := r.dial()
			r.send(conn, get)
			raw, err := io.ReadAll(conn)
			if err != nil {
				t.Error(err)
			}
			if _, body, _ := strings.Cut(string(raw), "\r\n\r\n"); body != test.body {
				t.Errorf("body %q, want %q and no end", body, test.body)
			}
			r.checkHello()
			r.end()
			checkLogged(t, r.log.String(), "secret 42")
		})
	}
}

// TestAbort: a handler may cut the connection with http.ErrAbortHandler, which is not logged
// as a panic.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, time.Second, breakAt("/path", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		conn := r.dial()
		r.send(conn, get)
		if raw, err := io.ReadAll(conn); err != nil || len(raw) > 0 {
			t.Errorf("%v: %q", err, raw)
		}
		r.checkHello()
		r.end()
		if r.log.Len() > 0 {
			t.Errorf("log: %s", r.log)
		}
	})
}

// TestHeaderLimit: the server accepts 64 KiB of header, as much as the cookies of a single
// sign-on may take, but not 128 KiB. net/http adds a little to the limit.
func TestHeaderLimit(t *testing.T) {
	for name, test := range map[string]struct{ request, want string }{
		"small":        {"GET /path HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 63<<10) + "\r\n\r\n", "HTTP/1.1 200 "},
		"cookies":      {"GET /path HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("Cookie: "+strings.Repeat("x", 4000)+"\r\n", 16) + "\r\n", "HTTP/1.1 200 "},
		"long field":   {"GET /path HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 128<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
		"many fields":  {"GET /path HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: x\r\n", 32<<10) + "\r\n", "HTTP/1.1 431 "},
		"endless line": {"GET /" + strings.Repeat("x", 128<<10), "HTTP/1.1 431 "},
	} {
		inBubble(name, t, func(t *testing.T) {
			r := serve(t, time.Second, hello)
			conn := r.dial()
			r.send(conn, test.request)
			start := make([]byte, len(test.want))
			if _, err := io.ReadFull(conn, start); err != nil || string(start) != test.want {
				t.Errorf("%v: %q, want %q", err, start, test.want)
			}
			_ = conn.Close()
			r.checkHello()
			r.end()
		})
	}
}

// TestSlowClients: the server cuts off clients that make no progress.
func TestSlowClients(t *testing.T) {
	for name, test := range map[string]struct {
		send  string
		every time.Duration // pause between bytes after send
		most  time.Duration
	}{
		"silent":      {"", 0, 5 * time.Second},
		"half header": {"GET / HTTP/1.1\r\nHost: x\r\n", 0, 5 * time.Second},
		"drip":        {"GET / HTTP/1.1\r\nX: ", time.Second, 5 * time.Second},
		"body":        {"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx", 3 * time.Second, 15 * time.Second},
		"idle":        {"GET /idle HTTP/1.1\r\nHost: x\r\n\r\n", 0, 2 * time.Minute},
		"not reading": {"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n", 0, 30 * time.Second},
	} {
		inBubble(name, t, func(t *testing.T) {
			handled := make(chan struct{}, 1)
			r := serve(t, time.Second, func(w http.ResponseWriter, q *http.Request) {
				defer func() { handled <- struct{}{} }()
				if _, err := io.Copy(io.Discard, q.Body); err != nil {
					return
				}
				hello(w, q)
				if q.URL.Path == "/endless" {
					for q.Context().Err() == nil {
						if _, err := w.Write(make([]byte, 1<<16)); err != nil {
							return
						}
					}
				}
			})
			conn := r.dial()
			start := time.Now()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, err := conn.Write([]byte(test.send))
				for err == nil && test.every > 0 {
					time.Sleep(test.every)
					_, err = conn.Write([]byte("x"))
				}
			}()
			if strings.Contains(test.send, "/endless") {
				<-handled
			} else {
				_, _ = io.Copy(io.Discard, conn) // until the server closes the connection
			}
			if took := time.Since(start); took > test.most || took < test.most/2 {
				t.Errorf("it took %s, want at most %s", took, test.most)
			}
			_ = conn.Close()
			<-sent
			r.end()
		})
	}
}

// TestListen tests real sockets.
func TestListen(t *testing.T) {
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	for _, wrong := range []string{addr, "127.0.0.1", "127.0.0.1:99999", "192.0.2.1:80"} {
		if second, err := server.Listen(t.Context(), wrong); err == nil {
			_ = second.Close()
			t.Errorf("%s can be listened on", wrong)
		} else if !strings.Contains(err.Error(), wrong) && !strings.Contains(err.Error(), "99999") {
			t.Errorf("error %q does not name %s", err, wrong)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, l, http.HandlerFunc(hello), server.Options{Logger: slog.New(slog.DiscardHandler), Drain: time.Second})
	}()
	client := &http.Client{Transport: &http.Transport{}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || string(body) != "hello" {
		t.Errorf("%v: %q", err, body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if response, err := client.Do(request); err == nil {
		_ = response.Body.Close()
		t.Error("a new connection is accepted")
	}
	client.CloseIdleConnections()
}
