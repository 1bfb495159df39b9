package server_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/server"
)

// TestRequestsAreLogged: each request gives one log line, and one observation by route and
// status.
func TestRequestsAreLogged(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		logged  string // a pattern
		counted string // route and status
	}{
		"silent": {func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Second) },
			`level=INFO msg=request method=GET uri="/things/7\?a=b" status=200 bytes=0 took=2s from=\S+ request=[0-9a-f]{16}`, "/things/{id} 200"},
		"body": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			`level=INFO msg=request .* status=200 bytes=5 `, "/things/{id} 200"},
		"refused": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
			`level=INFO msg=request .* status=418 bytes=0 `, "/things/{id} 418"},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusOK) // net/http drops it
		}, `status=404 `, "/things/{id} 404"},
		"away": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			`level=WARN msg=request .* status=503 `, "/things/{id} 503"},
		"panic": {func(http.ResponseWriter, *http.Request) { panic("secret") },
			`(?s)level=ERROR msg=panic path=/things/7 .* request=([0-9a-f]{16}).*level=WARN msg=request .* status=500 .* request=`, "/things/{id} 500"},
	} {
		inBubble(name, t, func(t *testing.T) {
			metrics := prometheus.NewRegistry()
			mux := http.NewServeMux()
			mux.HandleFunc("/things/{id}", test.handler)
			r := serveWith(t, server.Options{Drain: time.Second, Metrics: metrics}, mux.ServeHTTP)
			conn := r.dial()
			r.send(conn, "GET /things/7?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
			for status := http.StatusProcessing; status < http.StatusOK; {
				status, _, _ = r.receive(conn)
			}
			_ = conn.Close()
			r.end()
			if found, err := regexp.MatchString(test.logged, r.log.String()); err != nil || !found {
				t.Errorf("log is %s, want %s (%v)", r.log, test.logged, err)
			}
			route, status, _ := strings.Cut(test.counted, " ")
			want := `route="` + route + `",status="` + status + `"} 1`
			if text := metricsText(t, metrics); !strings.Contains(text, "movies_api_request_seconds_count{"+want) {
				t.Errorf("no %s in %s", want, text)
			}
			if n := testutil.CollectAndCount(metrics, "movies_api_request_seconds"); n != 1 {
				t.Errorf("%d series, want 1", n)
			}
		})
	}
}

func metricsText(t *testing.T, metrics *prometheus.Registry) string {
	w := httptest.NewRecorder()
	server.Admin(metrics, nil, nil, nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

// TestClientGone: a request whose client has gone is not counted as a success.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		r := serveWith(t, server.Options{Drain: time.Second, Metrics: metrics},
			func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
		conn := r.dial()
		r.send(conn, get)
		synctest.Wait()
		if text := metricsText(t, metrics); !strings.Contains(text, "movies_api_requests_running 1\n") {
			t.Errorf("no running request in %s", text)
		}
		_ = conn.Close()
		synctest.Wait()
		r.end()
		if !strings.Contains(r.log.String(), "status=499 ") {
			t.Errorf("log is %s", r.log)
		}
		if text := metricsText(t, metrics); !strings.Contains(text, `{route="other",status="499"} 1`) || !strings.Contains(text, "requests_running 0\n") {
			t.Errorf("metrics are %s", text)
		}
	})
}

// TestRequestID: the server keeps a proxy's request id if it is valid, and adds the id to all
// log lines of the request.
func TestRequestID(t *testing.T) {
	for name, test := range map[string]struct{ given, want string }{
		"none":      {"", `[0-9a-f]{16}`},
		"given":     {"X-Request-Id: 01Z-a_b.c\r\n", `01Z-a_b\.c`},
		"longest":   {"X-Request-Id: " + strings.Repeat("x", 64) + "\r\n", strings.Repeat("x", 64)},
		"too long":  {"X-Request-Id: " + strings.Repeat("x", 65) + "\r\n", `[0-9a-f]{16}`},
		"injection": {"X-Request-Id: a\" level=ERROR\r\n", `[0-9a-f]{16}`},
		"not ASCII": {"X-Request-Id: é\r\n", `[0-9a-f]{16}`},
	} {
		inBubble(name, t, func(t *testing.T) {
			var logger *slog.Logger
			r := serve(t, time.Second, func(_ http.ResponseWriter, q *http.Request) {
				logger.With("a", 1).ErrorContext(q.Context(), "failed", "error", errors.New("why"))
			})
			logger = server.WithRequestID(slog.New(slog.NewTextHandler(r.log, nil)))
			conn := r.dial()
			r.send(conn, "GET / HTTP/1.1\r\nHost: x\r\n"+test.given+"\r\n")
			_, header, _ := r.receive(conn)
			_ = conn.Close()
			r.end()
			id := header.Get("X-Request-Id")
			if found, err := regexp.MatchString("^"+test.want+"$", id); err != nil || !found {
				t.Errorf("id is %q, want %s (%v)", id, test.want, err)
			}
			if !strings.Contains(r.log.String(), "msg=failed a=1 error=why request="+id+"\n") {
				t.Errorf("log is %s", r.log)
			}
			if strings.Contains(r.log.String(), "msg=request") {
				t.Errorf("requests are logged, though nobody asked: %s", r.log)
			}
		})
	}
}
