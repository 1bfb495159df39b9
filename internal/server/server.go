// Package server runs HTTP listeners: limits on what a client may cost, drain
// on shutdown, and the admin port.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Limits of every listener. A client that is slow or sends too much is cut off.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second // to read all of a request
	answerTimeout  = 30 * time.Second // to write all of an answer
	idleTimeout    = 2 * time.Minute  // where Options say nothing else
	maxHeader      = 64 << 10         // bytes; cookies of single sign-on are large
)

// Listen opens a listener, so that a wrong or taken address is known at once.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Options of a server.
type Options struct {
	Logger *slog.Logger
	// LameDuck is how long requests are still taken when the server is to end:
	// each is the last of its connection, so that clients and load balancers
	// move on before the door is shut. It is as long without any connection:
	// a balancer that has not looked yet may send the next.
	LameDuck time.Duration
	// IdleTimeout is how long a connection is kept that has no request; 2 minutes when
	// 0. Longer than a load balancer in front keeps its own, or it sends a request to a
	// connection that is being closed.
	IdleTimeout time.Duration
	// Drain is how long running requests may take after that.
	Drain time.Duration
	// Metrics, when there are any, get the time of each request; then each is
	// logged, too.
	Metrics prometheus.Registerer
	// Tracing, when there is any, gets a span of each request.
	Tracing trace.TracerProvider
}

// Serve answers requests until ctx is done; then it drains. It speaks HTTP/1 and, to
// clients that begin with it, HTTP/2 without TLS: certificates are the ingress's work.
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
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	time.Sleep(o.LameDuck)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
	defer cancel()
	if err := s.Shutdown(ending); err != nil {
		open.reset() // what is cut off must not look complete
		return fmt.Errorf("drain %s: %w", l.Addr(), errors.Join(err, s.Close()))
	}
	return nil
}

// lastRequest makes a request the last one of its connection once ctx is done,
// and always when it has a body: where a proxy and we disagree about the body's
// end, what follows would be a request that the proxy has not seen. No request
// of ours needs a body.
func lastRequest(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
