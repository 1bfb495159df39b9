package decode

import (
	"bufio"
	"bytes"
	"io"
)

const (
	// smallWindow holds nearly every update, and the kept bytes of every rejected one.
	smallWindow = MaxKept
	// fullWindow holds the largest update and more: the byte behind it shows that it ended.
	fullWindow = MaxUpdate + 64<<10
	// space is the white space of JSON (RFC 8259, section 2).
	space = " \t\r\n"
)

// window is the part of the text that is in memory. It is filled completely each time, so the
// results do not depend on the sizes of the reader's pieces.
type window struct {
	text        textReader
	buf         []byte
	start, stop int
	end         error // why there is no more text: io.EOF, or invalid content
}

func (w *window) init() {
	w.text.buffered = bufio.NewReaderSize(nil, MaxKept)
	w.buf = make([]byte, smallWindow)
}

// reset starts with the small window, because a larger one notices a decompression bomb
// later. The memory of a larger window is kept.
func (w *window) reset(r io.Reader) {
	w.text.reset(r)
	w.buf, w.start, w.stop, w.end = w.buf[:smallWindow], 0, 0, nil
}

// open fills the window and skips a byte order mark. Of a compressed object it reads up to
// MaxVerified bytes and one more, so that a short one is verified to its end.
func (w *window) open() error {
	w.end = w.text.open()
	if err := w.fill(); err != nil {
		return err
	}
	for w.text.format != formatPlain && w.end == nil && w.stop <= MaxVerified {
		more, err := w.more()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if bytes.HasPrefix(w.data(), []byte("\ufeff")) {
		w.drop(len("\ufeff"))
	}
	return nil
}

func (w *window) data() []byte { return w.buf[w.start:w.stop] }

func (w *window) drop(n int) { w.start += n }

// more appends text to the window, and reports whether there was any. The error is the
// caller's reader's.
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
		n, err := w.text.Read(w.buf[w.stop:])
		w.stop += n
		w.end = err
	}
	if w.end == nil {
		return nil
	}
	return w.text.reader.failure()
}

// broken reports whether the text ends because of invalid compression.
func (w *window) broken() bool {
	return w.end != nil && w.end != io.EOF //nolint:errorlint // a wrapped EOF is not the end
}

// skipSpace drops white space and returns the next byte; 0 at the end.
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
