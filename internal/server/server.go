// Package server runs HTTP listeners: limits on what a client may cost, drain
// on shutdown, and the admin port.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// Limits of every listener. A client that is slow or sends too much is cut off.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second // to read all of a request
	answerTimeout  = 30 * time.Second // to write all of an answer
	idleTimeout    = 2 * time.Minute
	maxHeader      = 16 << 10 // bytes
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

// Serve answers requests until ctx is done; then it accepts nothing new and
// lets running requests finish, for at most drain.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, logger *slog.Logger, drain time.Duration) error {
	s := &http.Server{
		Handler:           lastWithBody(recoverer(handler, logger)),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := s.Shutdown(ending); err != nil {
		return fmt.Errorf("drain %s: %w", l.Addr(), errors.Join(err, s.Close()))
	}
	return nil
}

// lastWithBody makes a request that has a body the last one of its connection:
// where a proxy and we disagree about the body's end, what follows would be a
// request that the proxy has not seen. No request of ours needs a body.
func lastWithBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// recoverer logs a panic and answers 500: it never reaches a client, nor ends
// the process. An answer that has begun is cut off, so that nobody takes it for
// whole.
func recoverer(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so too
				panic(v)
			}
			logger.Error("panic", "path", r.URL.Path, "value", v, "stack", string(debug.Stack()))
			if watched.begun {
				panic(http.ErrAbortHandler)
			}
			answerPanic(w)
		}()
		next.ServeHTTP(watched, r)
	})
}

func answerPanic(w http.ResponseWriter) {
	header := w.Header()
	for _, ofTheAnswer := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Link"} {
		header.Del(ofTheAnswer)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"internal error"}` + "\n"))
}

// watchedWriter knows whether an answer has begun.
type watchedWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *watchedWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// FlushError is for http.ResponseController.
func (w *watchedWriter) FlushError() error {
	w.begun = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for whoever asks for an http.Flusher.
func (w *watchedWriter) Flush() { _ = w.FlushError() } // the next write tells

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
