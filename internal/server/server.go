// Package server runs HTTP listeners: it limits the cost of a client, drains on shutdown,
// and serves the admin port.
package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Limits of every listener. A client that is slow or sends too much is disconnected.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second // to read a whole request
	answerTimeout  = 30 * time.Second // to write a whole response
	idleTimeout    = 2 * time.Minute  // the default of Options.IdleTimeout
	maxHeader      = 64 << 10         // bytes; cookies of single sign-on are large
)

// Listen opens a listener, so that a wrong or used address is reported at once.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Options configure a server.
type Options struct {
	Logger *slog.Logger
	// LameDuck is how long the server still accepts requests after ctx is done. Each is
	// the last of its connection, so that clients and load balancers move on. It lasts as
	// long without any connection, because a balancer that has not looked yet may send a
	// request.
	LameDuck time.Duration
	// IdleTimeout is how long an idle connection is kept; 2 minutes when 0. It must be
	// longer than that of a load balancer in front, which otherwise sends a request to a
	// connection that is being closed.
	IdleTimeout time.Duration
	// Drain is how long requests in flight may take after LameDuck.
	Drain time.Duration
	// Metrics registers request metrics, and makes the server log each request; nil for
	// neither.
	Metrics prometheus.Registerer
	// Tracing gets a span of each request; nil for none.
	Tracing trace.TracerProvider
}

// Serve serves until ctx is done, and then drains. It speaks HTTP/1 and, to clients that
// begin with it, HTTP/2 without TLS. TLS is the ingress's work.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, o Options) error {
	var open connections
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{
		Handler:           lastRequest(ctx, &watch{handler, WithRequestID(o.Logger), newMetrics(o.Metrics), newTracer(o.Tracing)}),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       cmp.Or(o.IdleTimeout, idleTimeout),
		MaxHeaderBytes:    maxHeader,
		Protocols:         protocols,
		ConnState:         open.note,
		ErrorLog:          log.New(errorLog{o.Logger}, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(resetting{l}) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	time.Sleep(o.LameDuck)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
	defer cancel()
	if err := s.Shutdown(ending); err != nil {
		open.reset() // so that cut responses do not look complete
		return fmt.Errorf("drain %s: %w", l.Addr(), errors.Join(err, s.Close()))
	}
	return nil
}

// errorLog logs errors of connections at the level debug, since clients cause them, but warns
// when no connection can be accepted: the process may have no file descriptors left.
type errorLog struct{ logger *slog.Logger }

func (l errorLog) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(line, []byte("Accept error")) {
		level = slog.LevelWarn
	}
	l.logger.Log(context.Background(), level, strings.TrimSpace(string(line)))
	return len(line), nil
}

// lastRequest closes the connection after a request once ctx is done, and always after a
// request with a body. A proxy may disagree about the end of a body, and the rest would be
// a request that it has not seen (request smuggling). No route needs a body.
func lastRequest(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
