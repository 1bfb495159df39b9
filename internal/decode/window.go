package decode

import (
	"bufio"
	"bytes"
	"io"
)

const (
	// smallWindow holds nearly every update, and always what is kept of a
	// rejected one.
	smallWindow = MaxKept
	// fullWindow holds the largest update and one byte more.
	fullWindow = MaxUpdate + 64<<10
	// space is JSON's white space.
	space = " \t\r\n"
)

// window is the part of the text that is in memory. It is always filled as far
// as it goes, so what is seen never depends on how the source cuts its data.
type window struct {
	inflater
	buf         []byte
	start, stop int
	// end is why there is no more: io.EOF, or what is wrong with the content.
	end error
}

func (w *window) init() {
	w.buffered = bufio.NewReaderSize(nil, MaxKept)
	w.buf = make([]byte, smallWindow)
}

// reset goes back to the small window: its size has a say in where a bomb is
// noticed. The memory of a larger one is kept.
func (w *window) reset(r io.Reader) {
	w.inflater.reset(r)
	w.buf, w.start, w.stop, w.end = w.buf[:smallWindow], 0, 0, nil
}

// open fills the window for the first time and skips a byte order mark.
func (w *window) open() error {
	w.end = w.inflater.open()
	if err := w.fill(); err != nil {
		return err
	}
	for w.format != formatPlain && w.end == nil && w.stop <= MaxVerified {
		if more, err := w.more(); err != nil || !more {
			return err
		}
	}
	if bytes.HasPrefix(w.data(), []byte("\ufeff")) {
		w.drop(len("\ufeff"))
	}
	return nil
}

func (w *window) data() []byte { return w.buf[w.start:w.stop] }

func (w *window) drop(n int) { w.start += n }

// more gets more text behind what is there, and tells whether it could. The
// error is the source's.
func (w *window) more() (bool, error) {
	switch {
	case w.end != nil:
		return false, nil
	case w.start > 0:
		w.stop = copy(w.buf, w.data())
		w.start = 0
	case w.stop < fullWindow:
		w.grow(min(2*len(w.buf), fullWindow))
	default:
		return false, nil
	}
	before := w.stop
	err := w.fill()
	return w.stop > before, err
}

func (w *window) grow(size int) {
	if size > cap(w.buf) {
		larger := make([]byte, size)
		copy(larger, w.data())
		w.buf = larger
	}
	w.buf = w.buf[:size]
}

func (w *window) fill() error {
	for w.stop < len(w.buf) && w.end == nil {
		n, err := w.Read(w.buf[w.stop:])
		w.stop += n
		w.end = err
	}
	if w.end == nil {
		return nil
	}
	return w.failure()
}

// broken tells whether the text ends because of what is wrong with it.
func (w *window) broken() bool {
	return w.end != nil && w.end != io.EOF //nolint:errorlint // only the bare EOF is a good end
}

// skipSpace drops white space and gives the byte behind it, 0 at the end.
func (w *window) skipSpace() (byte, error) {
	for {
		for i, c := range w.data() {
			if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				w.drop(i)
				return c, nil
			}
		}
		w.start = w.stop
		if more, err := w.more(); err != nil || !more {
			return 0, err
		}
	}
}
