package api

import (
	"net/http"
	"time"
)

// Limits for a client of a long answer. One that takes less than slowest on average is
// cut off once it has used up its patience: its answer keeps memory, a connection to
// the database or a snapshot there.
const (
	patience = 20 * time.Second
	slowest  = 16 << 10 // bytes a second
	// pieces of this size are written at once, so that a slow client is told from a
	// stalled one.
	pieceBytes = 16 << 10
)

// paced writes a long answer. Only the time that the client takes counts, not the time
// that the answer takes to be made.
type paced struct {
	out     http.ResponseWriter
	control *http.ResponseController
	left    time.Duration // of the client's patience
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
		p.left = min(patience, p.left+time.Duration(n)*time.Second/slowest)
		written, b = written+n, b[n:]
	}
	return written, err
}

// Flush sends what has been written.
func (p *paced) Flush() error { return p.timed(p.control.Flush) }

// timed does something that waits for the client. There is no deadline in between:
// over HTTP/2 it would end an answer that has nothing to send.
func (p *paced) timed(send func() error) error {
	start := time.Now()
	_ = p.control.SetWriteDeadline(start.Add(p.left)) // a writer without deadlines has none to set
	err := send()
	p.left -= time.Since(start)
	if err == nil {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
	return err
}

// end bounds what net/http writes after the handler.
func (p *paced) end() { _ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }
