package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is a condition of readiness.
type Check struct {
	Name string
	// Run returns an error while the condition does not hold. It must be quick. A Degraded
	// error is reported and leaves the process ready.
	Run func(context.Context) error
}

// Degraded wraps the fault of a process that should get requests nevertheless.
type Degraded struct{ Cause error }

func (d Degraded) Error() string { return "degraded: " + d.Cause.Error() }
func (d Degraded) Unwrap() error { return d.Cause }

// checkTimeout bounds all checks of one request.
const checkTimeout = 2 * time.Second

// Section returns a part of /overview as a value for JSON. It obeys its context.
type Section func(context.Context) (any, error)

// Admin serves operators and the cluster: /livez while the process works, /readyz while it
// should get requests, /overview with the checks and the process's own sections as JSON,
// /metrics, and the routes that the process adds.
func Admin(metrics prometheus.Gatherer, checks []Check, sections map[string]Section, routes map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		status, text := http.StatusOK, ""
		for _, p := range run(ctx, checks) {
			if p.State == failing {
				status = http.StatusServiceUnavailable
			}
			text += p.Name + ": " + p.Detail + "\n"
		}
		plain(w, status, text)
	})
	mux.Handle("GET /overview", overview(checks, sections))
	// Only the OpenMetrics format has exemplars. Clients that do not ask for it get the
	// text format.
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

// part is the result of a check.
type part struct {
	Name   string `json:"name"`
	State  string `json:"state"` // ok, degraded or failing
	Detail string `json:"detail"`
}

const failing = "failing"

func run(ctx context.Context, checks []Check) []part {
	found := []part{}
	for _, c := range checks {
		p := part{c.Name, "ok", "ok"}
		if err := c.Run(ctx); err != nil {
			p.State, p.Detail = failing, err.Error()
			if errors.As(err, new(Degraded)) {
				p.State = "degraded"
			}
		}
		found = append(found, p)
	}
	return found
}

// overview answers with the checks and all sections. It runs them concurrently, so that
// one that hangs does not hold up the others.
//
//	{"time": "2026-03-01T12:00:00Z", "parts": [{"name": "database", "state": "ok", "detail": "ok"}],
//	"catalogue": {...}, "worker": {"error": "..."}}
func overview(checks []Check, sections map[string]Section) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			http.Error(w, "this takes no parameters", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		shown := map[string]any{}
		var mu sync.Mutex
		var reading sync.WaitGroup
		read := func(name string, section Section) {
			reading.Go(func() {
				value, err := section(ctx)
				if err != nil {
					value = map[string]string{"error": err.Error()}
				}
				mu.Lock()
				defer mu.Unlock()
				shown[name] = value
			})
		}
		read("parts", func(ctx context.Context) (any, error) { return run(ctx, checks), nil })
		for name, section := range sections {
			read(name, section)
		}
		reading.Wait()
		shown["time"] = time.Now().UTC()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = json.NewEncoder(w).Encode(shown) // nobody is left to hear of a write error
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // nobody is left to hear of a write error
}
