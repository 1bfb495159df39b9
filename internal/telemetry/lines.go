package telemetry

import (
	"io"
	"sync"
	"time"
)

// Lines writes log lines together: with a system call for each, a busy server spends a
// tenth of its time on writing its access log. A line waits for linesDelay at most; [Logger]
// lets no warning wait. Lines is safe for concurrent use.
type Lines struct {
	out   io.Writer
	mutex sync.Mutex
	lines []byte
}

const (
	linesDelay = 100 * time.Millisecond
	linesBytes = 64 << 10
)

// NewLines returns Lines that are written to out.
func NewLines(out io.Writer) *Lines { return &Lines{out: out, lines: make([]byte, 0, linesBytes)} }

// Write takes one or more whole lines. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.lines)+len(p) > linesBytes {
		l.flush()
	}
	if len(l.lines) == 0 {
		time.AfterFunc(linesDelay, l.Flush)
	}
	l.lines = append(l.lines, p...)
	return len(p), nil
}

// Flush writes the lines that wait.
func (l *Lines) Flush() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.flush()
}

func (l *Lines) flush() {
	if len(l.lines) > 0 {
		_, _ = l.out.Write(l.lines) // there is no other place to tell of it
		l.lines = l.lines[:0]
	}
}
