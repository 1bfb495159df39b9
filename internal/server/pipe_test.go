package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"jpmovies/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener passes connections in memory, so that servers run in the fake time of synctest and
// time-outs take no real time.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newListener() *listener {
	closed := make(chan struct{})
	return &listener{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.close(); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

var errRefused = errors.New("connection refused")

func (l *listener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, errRefused
	}
}

// run is a running server.
type run struct {
	*testing.T
	*listener
	stop  context.CancelFunc
	ended chan error
	log   *bytes.Buffer
}

// serve starts a server in a synctest bubble.
func serve(t *testing.T, drain time.Duration, handler http.HandlerFunc) *run {
	return serveWith(t, server.Options{Drain: drain}, handler)
}

func serveWith(t *testing.T, o server.Options, handler http.HandlerFunc) *run {
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{t, newListener(), cancel, make(chan error, 1), &bytes.Buffer{}}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	go func() { r.ended <- server.Serve(ctx, r.listener, handler, o) }()
	return r
}

// end stops the server and expects no error.
func (r *run) end() {
	r.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.Errorf("Serve: %v", err)
	}
}

func (r *run) dial() net.Conn {
	r.Helper()
	conn, err := r.listener.dial()
	if err != nil {
		r.Fatal(err)
	}
	return conn
}

// send writes to a connection without waiting until it is read.
func (r *run) send(conn net.Conn, text string) {
	go func() { _, _ = conn.Write([]byte(text)) }() // fails if the server closes the connection, which is fine
}

// receive reads one response.
func (r *run) receive(conn net.Conn) (status int, header http.Header, body string) {
	r.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	if response.Close { // net/http removes this header
		response.Header.Set("Connection", "close")
	}
	return response.StatusCode, response.Header, string(text)
}

const (
	get      = "GET /path HTTP/1.1\r\nHost: x\r\n\r\n"
	getOther = "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
)

// inBubble runs a test in fake time.
func inBubble(name string, t *testing.T, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// checkHello sends a request over a new connection and expects hello.
func (r *run) checkHello() {
	r.Helper()
	conn := r.dial()
	defer func() { _ = conn.Close() }()
	r.send(conn, getOther)
	if status, _, body := r.receive(conn); status != http.StatusOK || !strings.Contains(body, "hello") {
		r.Errorf("then %d %q", status, body)
	}
}
