package decode

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The ways an object may be compressed.
const (
	formatPlain = "plain"
	formatGzip  = "gzip"
	formatZstd  = "zstd"
)

// format tells how an object is compressed by its first four bytes.
func format(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return formatGzip
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return formatZstd
	case len(magic) == 4 && magic[0]&0xf0 == 0x50 && string(magic[1:]) == "\x2a\x4d\x18":
		return formatZstd // a skippable frame comes first
	}
	return formatPlain
}

// inflater reads the text of an object, and keeps its decompressors for reuse.
type inflater struct {
	source
	buffered *bufio.Reader
	format   string
	text     io.Reader
	inflated int64
	// raw is the head of a compressed object.
	raw  []byte
	gzip members
	zstd *zstd.Decoder
}

func (i *inflater) reset(r io.Reader) {
	i.source = source{r: r}
	i.buffered.Reset(&i.source)
	i.format, i.text, i.inflated, i.raw = formatPlain, i.buffered, 0, i.raw[:0]
}

func (i *inflater) release() {
	i.source = source{}
	i.buffered.Reset(nil)
	i.text = nil
	if i.zstd != nil {
		// Resetting to nothing cannot fail.
		_ = i.zstd.Reset(nil)
	}
}

// open finds out the compression. An error is about the content.
func (i *inflater) open() error {
	magic, _ := i.buffered.Peek(4)
	i.format = format(magic)
	if i.format == formatPlain {
		return nil
	}
	head, _ := i.buffered.Peek(MaxKept)
	i.raw = append(i.raw, head...)
	if i.format == formatGzip {
		i.gzip.buffered, i.text = i.buffered, &i.gzip
		return i.gzip.next()
	}
	if i.zstd == nil {
		var err error
		i.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return err
		}
	}
	i.text = i.zstd
	return i.zstd.Reset(i.buffered)
}

// Read gives text. It fails with io.EOF, or with what is wrong with the
// content; when the source failed, only failure knows.
func (i *inflater) Read(p []byte) (int, error) {
	n, err := i.text.Read(p)
	i.inflated += int64(n)
	if i.format == formatPlain || err != nil {
		return n, err
	}
	used := i.read - int64(i.buffered.Buffered())
	if i.inflated > MaxInflated+MaxRatio*used {
		return n, errBomb
	}
	return n, nil
}

var errBomb = errors.New("decompression bomb")

// explain is the reason for a rejection by a content error of Read or open.
func (i *inflater) explain(err error) string {
	switch {
	case errors.Is(err, errBomb):
		return fmt.Sprintf("object: found a decompression bomb (%s), expected at most %d MiB and %d times the compressed size",
			i.format, MaxInflated>>20, MaxRatio)
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Sprintf("object: found zstd with a larger window, expected at most %d MiB", MaxWindow>>20)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("object: found truncated %s, expected all of it", i.format)
	}
	return fmt.Sprintf("object: found corrupt %s (%s), expected sound data", i.format, clip(err.Error()))
}

// members reads one gzip member after the other. The library's own way of doing
// so takes a header that breaks off for the good end.
type members struct {
	gzip.Reader
	buffered *bufio.Reader
}

func (m *members) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != io.EOF { //nolint:errorlint // only the bare EOF is a good end
		return n, err
	}
	if _, err := m.buffered.Peek(1); err != nil {
		return n, io.EOF
	}
	return n, m.next()
}

func (m *members) next() error {
	err := m.Reset(m.buffered)
	m.Multistream(false)
	if err == io.EOF { //nolint:errorlint // only the bare EOF is a good end
		return io.ErrUnexpectedEOF
	}
	return err
}
