package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one thing that must be well before the process is ready.
type Check struct {
	Name string
	// Run says what is wrong. It must be quick. A Degraded error is told, and leaves
	// the process ready.
	Run func(context.Context) error
}

// Degraded wraps what is wrong with a process that should get requests nevertheless.
type Degraded struct{ Cause error }

func (d Degraded) Error() string { return "degraded: " + d.Cause.Error() }
func (d Degraded) Unwrap() error { return d.Cause }

// checkTimeout bounds all checks of one request.
const checkTimeout = 2 * time.Second

// Admin serves operators and the cluster: /livez while the process works,
// /readyz while it should get requests, and /metrics; and the routes that the
// process adds.
func Admin(metrics prometheus.Gatherer, checks []Check, routes map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		status, text := http.StatusOK, ""
		for _, c := range checks {
			if err := c.Run(ctx); err != nil {
				if !errors.As(err, new(Degraded)) {
					status = http.StatusServiceUnavailable
				}
				text += fmt.Sprintf("%s: %v\n", c.Name, err)
				continue
			}
			text += c.Name + ": ok\n"
		}
		plain(w, status, text)
	})
	// Only OpenMetrics has exemplars; who does not ask for it gets the text format.
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client went away: nobody is left to tell
}
