package server

import (
	"net"
	"net/http"
	"sync"
)

// abort ends an answer so that its client can tell that it is not whole. Over HTTP/1.1
// and 2 the end of the connection or stream says so; over HTTP/1.0, which nginx speaks
// to its upstreams, a clean end would look like the end of the answer, so the
// connection is reset.
func abort(w http.ResponseWriter, r *http.Request) {
	if !r.ProtoAtLeast(1, 1) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			reset(conn)
		}
	}
	panic(http.ErrAbortHandler)
}

// reset closes a connection with RST.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// connections are those that are open, so that they can be reset.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

// note is for http.Server.ConnState.
func (c *connections) note(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		if c.open == nil {
			c.open = make(map[net.Conn]bool)
		}
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

func (c *connections) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		reset(conn)
	}
}
