package tests

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// fault is a network fault that a proxy causes.
type fault struct {
	name string
	// delay is the pause before each piece, piece its size in bytes; 0 forwards bytes as they
	// come.
	delay time.Duration
	piece int
	// after that many bytes from the server, once per connection, the proxy closes the
	// connection, or resets it.
	after int
	reset bool
	// hole drops all bytes and keeps the connections open.
	hole bool
}

// proxy forwards between the program and a server. Its fault can change at any time.
type proxy struct {
	net.Listener
	target func() string // called for each connection
	mu     sync.Mutex
	fault  fault
	open   map[net.Conn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	return newBalancer(t, func() string { return target })
}

func newBalancer(t *testing.T, target func() string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: target, open: make(map[net.Conn]bool)}
	go p.serve()
	t.Cleanup(func() {
		_ = l.Close()
		p.drop()
	})
	return p
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *proxy) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// drop ends all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

func (p *proxy) track(c net.Conn, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if open {
		p.open[c] = true
	} else {
		delete(p.open, c)
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		go p.join(client)
	}
}

func (p *proxy) join(client net.Conn) {
	server, err := net.Dial("tcp", p.target())
	if err != nil {
		_ = client.Close()
		return
	}
	for _, c := range []net.Conn{client, server} {
		p.track(c, true)
		defer p.track(c, false)
		defer func() { _ = c.Close() }()
	}
	ended := make(chan struct{}, 2)
	go func() { p.pump(server, client, false); ended <- struct{}{} }()
	go func() { p.pump(client, server, true); ended <- struct{}{} }()
	<-ended
	if p.now().reset {
		_ = client.(*net.TCPConn).SetLinger(0) // close with RST
	}
}

// pump copies until an error, or until the fault ends the connection.
func (p *proxy) pump(to io.Writer, from io.Reader, answers bool) {
	buf := make([]byte, 16<<10)
	passed := 0
	for {
		f := p.now()
		limit := len(buf)
		if f.piece > 0 {
			limit = f.piece
		}
		n, err := from.Read(buf[:limit])
		f = p.now()
		time.Sleep(f.delay)
		if f.hole {
			n = 0
		}
		if answers && f.after > 0 && passed+n >= f.after {
			_, _ = to.Write(buf[:max(0, f.after-passed)])
			return
		}
		passed += n
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}
