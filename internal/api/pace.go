package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// Limits for a client of a long answer. A client that reads more slowly than slowest on
// average is disconnected once its patience is used up, because its answer holds memory, a
// database connection or a snapshot.
const (
	patience = 20 * time.Second
	slowest  = 16 << 10 // bytes a second
	// pieceBytes are written at once, so that a slow client can be told from a stalled
	// one.
	pieceBytes = 16 << 10
)

// paced writes a long answer. It counts the time that the client takes, not the time to
// produce the answer.
type paced struct {
	out     http.ResponseWriter
	control *http.ResponseController
	left    time.Duration // what remains of the client's patience
	sent    atomic.Int64  // bytes
}

func newPaced(w http.ResponseWriter) *paced {
	return &paced{out: w, control: http.NewResponseController(w), left: patience}
}

// Write returns an error when the client has gone or is too slow.
func (p *paced) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		n := 0
		err = p.timed(func() error {
			n, err = p.out.Write(b[:min(len(b), pieceBytes)])
			return err
		})
		p.sent.Add(int64(n))
		p.left = min(patience, p.left+time.Duration(n)*time.Second/slowest)
		written, b = written+n, b[n:]
	}
	return written, err
}

// Flush sends buffered bytes.
func (p *paced) Flush() error { return p.timed(p.control.Flush) }

// timed runs a send that waits for the client. Between sends there is no deadline: over
// HTTP/2 it would end an idle stream.
func (p *paced) timed(send func() error) error {
	start := time.Now()
	_ = p.control.SetWriteDeadline(start.Add(p.left)) // not every writer has deadlines
	err := send()
	p.left -= time.Since(start)
	if err == nil {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
	return err
}

// end bounds the final writes of net/http after the handler returns.
func (p *paced) end() { _ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// goneTimeout is the silence after which a client is taken for gone, once its sending side
// is closed. It is longer than the patience for a slow client.
const goneTimeout = 30 * time.Second

// endIfGone calls cancel when the client seems to be gone, which work that writes little
// would not notice. The caller must call stop.
func (p *paced) endIfGone(client context.Context, cancel func()) (stop func()) {
	done := make(chan struct{})
	context.AfterFunc(client, func() {
		for before := int64(-1); p.sent.Load() != before; {
			before = p.sent.Load()
			select {
			case <-done:
				return
			case <-time.After(goneTimeout):
			}
		}
		cancel()
	})
	return func() { close(done) }
}
