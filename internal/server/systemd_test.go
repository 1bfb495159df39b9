package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/server"
)

// systemd is a fake of the socket on which systemd receives notifications.
type systemd struct {
	*testing.T
	socket *net.UnixConn
}

func newSystemd(t *testing.T) systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // socket paths must be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close(); _ = os.RemoveAll(dir) })
	t.Setenv("NOTIFY_SOCKET", path)
	return systemd{t, socket}
}

// hears returns the next message, or "" if none comes in time.
func (s systemd) hears(patience time.Duration) string {
	s.Helper()
	if err := s.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	message := make([]byte, 4096)
	n, err := s.socket.Read(message)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatal(err)
	}
	return string(message[:n])
}

// awaits skips messages until one has the prefix.
func (s systemd) awaits(beginning string) {
	s.Helper()
	for message := "none"; !strings.HasPrefix(message, beginning); {
		if message = s.hears(10 * time.Second); message == "" {
			s.Fatalf("no message %q", beginning)
		}
	}
}

// TestNotify: the process tells systemd why it is not ready, that it is ready, that it is
// alive while it answers, and that it stops.
func TestNotify(t *testing.T) {
	listens := newSystemd(t)
	t.Setenv("WATCHDOG_USEC", "300000")
	var ready, hangs atomic.Bool
	admin := server.Admin(prometheus.NewRegistry(), []server.Check{{Name: "database", Run: func(context.Context) error {
		if !ready.Load() {
			return errors.New("connection refused")
		}
		return nil
	}}}, nil, nil)
	port := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			<-r.Context().Done()
			return
		}
		admin.ServeHTTP(w, r)
	}))
	defer port.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Notify(ctx, port.Listener.Addr().String(), slog.New(slog.DiscardHandler))
	}()
	for _, want := range []string{"STATUS=starting", "STATUS=not ready: database: connection refused"} {
		if got := listens.hears(10 * time.Second); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := listens.hears(time.Second); got != "" {
		t.Errorf("%q before anything has changed", got)
	}
	ready.Store(true)
	if got, want := listens.hears(10*time.Second), "READY=1\nSTATUS=ready"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for range 3 {
		if got, want := listens.hears(10*time.Second), "WATCHDOG=1"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	hangs.Store(true)
	for listens.hears(time.Second) != "" { // drop messages in flight
	}
	hangs.Store(false)
	listens.awaits("WATCHDOG=1")
	stop()
	listens.awaits("STOPPING=1")
	<-ended
}

// TestNotifyNobody: without systemd, Notify sends no requests.
func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	port := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request") }))
	defer port.Close()
	server.Notify(t.Context(), port.Listener.Addr().String(), slog.New(slog.DiscardHandler))
}
