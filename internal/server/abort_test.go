package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/server"
)

// onSockets serves on a real socket, since only a real socket can be reset.
func onSockets(t *testing.T, drain time.Duration, handler http.HandlerFunc) (addr string, stop func() error) {
	t.Helper()
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, l, handler, server.Options{Logger: slog.New(slog.DiscardHandler), Drain: drain})
	}()
	return l.Addr().String(), func() error { cancel(); return <-ended }
}

// partly writes a part of an answer of unknown length.
func partly(t *testing.T, w http.ResponseWriter) {
	_, _ = io.WriteString(w, "half")
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Errorf("flush: %v", err)
	}
}

// TestCutAnswerIsTold: an answer that is cut off in the middle ends with an error in every
// version of HTTP. In HTTP/1.0 only a reset can report it.
func TestCutAnswerIsTold(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		for name, cut := range map[string]func(){
			"abort": func() { panic(http.ErrAbortHandler) },
			"panic": func() { panic("secret") },
		} {
			t.Run(version+" "+name, func(t *testing.T) {
				addr, stop := onSockets(t, time.Second, func(w http.ResponseWriter, _ *http.Request) {
					partly(t, w)
					cut()
				})
				if body, err := exchange(t, addr, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n", func() {}); err == nil {
					t.Errorf("%q looks like the whole", body)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		}
		t.Run(version+" end of the drain", func(t *testing.T) {
			running := make(chan struct{})
			addr, stop := onSockets(t, time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
				partly(t, w)
				close(running)
				<-r.Context().Done()
			})
			stopped := make(chan error, 1)
			body, err := exchange(t, addr, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n", func() {
				<-running
				go func() { stopped <- stop() }()
			})
			if err == nil {
				t.Errorf("%q looks like the whole", body)
			}
			if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the server's end: %v", err)
			}
		})
	}
}

// exchange sends a request and reads the answer to its end.
func exchange(t *testing.T, addr, request string, meanwhile func()) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	meanwhile()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, syscall.ECONNRESET) { // the reset came before the answer was read
		return "", err
	}
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// TestWholeAnswerOverHTTP10: a complete answer ends cleanly.
func TestWholeAnswerOverHTTP10(t *testing.T) {
	addr, stop := onSockets(t, time.Second, func(w http.ResponseWriter, _ *http.Request) { partly(t, w); partly(t, w) })
	if body, err := exchange(t, addr, "GET / HTTP/1.0\r\n\r\n", func() {}); err != nil || body != "halfhalf" {
		t.Errorf("%q %v", body, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestUnencryptedHTTP2: an ingress may speak HTTP/2 to the server, and a cut answer is an
// error there, too.
func TestUnencryptedHTTP2(t *testing.T) {
	addr, stop := onSockets(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
	})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	for path, want := range map[string]bool{"/": true, "/cut": false} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		response, err := transport.RoundTrip(request)
		if err == nil {
			body, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
		}
		if whole := err == nil && string(body) == "HTTP/2.0"; whole != want {
			t.Errorf("%s: %q %v", path, body, err)
		}
	}
	transport.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestIdleTimeout: the server keeps an idle connection for exactly IdleTimeout.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serveWith(t, server.Options{Drain: time.Second, IdleTimeout: 650 * time.Second}, hello)
		conn := r.dial()
		r.send(conn, get)
		r.receive(conn)
		time.Sleep(649 * time.Second)
		r.send(conn, get)
		if status, _, body := r.receive(conn); status != http.StatusOK || !strings.Contains(body, "hello") {
			t.Errorf("after 649 s: %d %q", status, body)
		}
		idle := time.Now()
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(idle); took != 650*time.Second {
			t.Errorf("it is closed after %s", took)
		}
		r.end()
	})
}

// TestSlowAnswerIsTold: an answer whose writing takes too long ends with an error, also for a
// client that reads what is on its way only then.
func TestSlowAnswerIsTold(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		failed := make(chan struct{})
		addr, stop := onSockets(t, time.Second, func(w http.ResponseWriter, _ *http.Request) {
			defer close(failed)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			for piece := make([]byte, 1<<20); ; {
				if _, err := w.Write(piece); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		})
		body, err := exchange(t, addr, "GET / HTTP/"+version+"\r\nHost: x\r\n\r\n", func() { <-failed })
		if err == nil {
			t.Errorf("HTTP/%s: %d bytes look like the whole", version, len(body))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
