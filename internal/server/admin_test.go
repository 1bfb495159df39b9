package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"jpmovies/internal/server"
)

var (
	well     = server.Check{Name: "database", Run: func(context.Context) error { return nil }}
	ill      = server.Check{Name: "pass", Run: func(context.Context) error { return errors.New("the bucket does not answer") }}
	degraded = server.Check{Name: "database", Run: func(context.Context) error {
		return fmt.Errorf("%w", server.Degraded{Cause: errors.New("it is away")})
	}}
	hanging = server.Check{Name: "slow", Run: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
)

func askAdmin(ctx context.Context, method, path string, checks ...server.Check) *httptest.ResponseRecorder {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector())
	w := httptest.NewRecorder()
	sections := map[string]server.Section{
		"catalogue": func(context.Context) (any, error) { return map[string]int{"revision": 7}, nil },
		"worker":    func(context.Context) (any, error) { return nil, errors.New("it is away") },
		"slow":      func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	server.Admin(metrics, checks, sections, nil).ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, nil))
	return w
}

func TestAdmin(t *testing.T) {
	for _, test := range []struct {
		name, method, path string
		checks             []server.Check
		status             int
		body               string
	}{
		{"live", "GET", "/livez", nil, 200, "ok\n"},
		{"live though not ready", "GET", "/livez", []server.Check{ill}, 200, "ok\n"},
		{"ready", "GET", "/readyz", []server.Check{well}, 200, "database: ok\n"},
		{"not ready", "GET", "/readyz", []server.Check{ill}, 503, "pass: the bucket does not answer\n"},
		{"each check is told", "GET", "/readyz", []server.Check{ill, well}, 503, "pass: the bucket does not answer\ndatabase: ok\n"},
		{"the last one counts", "GET", "/readyz", []server.Check{well, ill}, 503, "database: ok\npass: the bucket does not answer\n"},
		{"degraded, yet ready", "GET", "/readyz", []server.Check{degraded, well}, 200, "database: degraded: it is away\ndatabase: ok\n"},
		{"degraded does not hide others", "GET", "/readyz", []server.Check{degraded, ill}, 503, "database: degraded: it is away\npass: the bucket does not answer\n"},
		{"no movies here", "GET", "/movies", nil, 404, "404 page not found\n"},
		{"no root", "GET", "/", nil, 404, "404 page not found\n"},
		{"only GET", "POST", "/livez", nil, 405, "Method Not Allowed\n"},
		{"only GET for the overview", "POST", "/overview", nil, 405, "Method Not Allowed\n"},
		{"no parameters for the overview", "GET", "/overview?limit=1", nil, 400, "this takes no parameters\n"},
		{"only GET for metrics", "DELETE", "/metrics", nil, 405, "Method Not Allowed\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := askAdmin(t.Context(), test.method, test.path, test.checks...)
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, test.status, test.body)
			}
			if kind := w.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type %q", kind)
			}
			if allow := w.Header().Get("Allow"); test.status == http.StatusMethodNotAllowed && allow != "GET, HEAD" {
				t.Errorf("Allow %q", allow)
			}
		})
	}
}

// TestOverview: the overview shows each part and section, even if others fail.
func TestOverview(t *testing.T) {
	inBubble("overview", t, func(t *testing.T) {
		now := time.Now().UTC().Add(2 * time.Second).Format(time.RFC3339)
		w := askAdmin(t.Context(), "GET", "/overview", well, degraded, ill)
		want := `{"catalogue":{"revision":7},"parts":[{"name":"database","state":"ok","detail":"ok"},` +
			`{"name":"database","state":"degraded","detail":"degraded: it is away"},{"name":"pass","state":"failing","detail":"the bucket does not answer"}],` +
			`"slow":{"error":"context deadline exceeded"},"time":"` + now + `","worker":{"error":"it is away"}}` + "\n"
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %q, want %q", name, got, want)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	w := askAdmin(t.Context(), "GET", "/metrics")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "\ngo_goroutines ") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("Content-Type %q", kind)
	}
}

// TestHangingCheck: readyz answers in time although a check hangs, and reports the other
// checks.
func TestHangingCheck(t *testing.T) {
	for name, test := range map[string]struct {
		checks []server.Check
		body   string
	}{
		"alone":  {[]server.Check{hanging}, "slow: context deadline exceeded\n"},
		"first":  {[]server.Check{hanging, well, ill}, "slow: context deadline exceeded\ndatabase: ok\npass: the bucket does not answer\n"},
		"thrice": {[]server.Check{hanging, hanging, hanging}, strings.Repeat("slow: context deadline exceeded\n", 3)},
	} {
		inBubble(name, t, func(t *testing.T) {
			start := time.Now()
			w := askAdmin(t.Context(), "GET", "/readyz", test.checks...)
			if took := time.Since(start); w.Code != http.StatusServiceUnavailable || took != 2*time.Second || w.Body.String() != test.body {
				t.Errorf("%d after %s: %q", w.Code, took, w.Body)
			}
		})
	}
}

// TestLeftCheck: a check stops when the client has disconnected.
func TestLeftCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		start := time.Now()
		askAdmin(ctx, "GET", "/readyz", hanging)
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
