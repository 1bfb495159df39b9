package server

import (
	"net"
	"net/http"
	"sync"
)

// abort ends a response so that the client can tell that it is incomplete. Over HTTP/1.1
// and 2 the end of the connection or stream says so. Over HTTP/1.0, which nginx speaks to
// its upstreams, a clean close would mark the end of the response, so abort resets the
// connection.
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
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// resetting is a listener whose connections end with RST after a failed write. net/http closes
// them itself, before the handler knows, and over HTTP/1.0 the client would take what the
// kernel still sends for the end of the answer.
type resetting struct{ net.Listener }

func (l resetting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		conn = resettingConn{tcp}
	}
	return conn, err
}

type resettingConn struct{ *net.TCPConn }

func (c resettingConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	if err != nil {
		_ = c.SetLinger(0)
	}
	return n, err
}

// connections holds the open connections, so that they can be reset.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

// note implements http.Server.ConnState.
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
