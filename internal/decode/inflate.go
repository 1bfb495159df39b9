package decode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The compression formats of objects.
const (
	formatPlain = "plain"
	formatGzip  = "gzip"
	formatZstd  = "zstd"
)

// format returns the compression format by an object's first four bytes (RFC 1952, section
// 2.3; RFC 8878, section 3.1).
func format(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return formatGzip
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return formatZstd
	case len(magic) == MagicBytes && magic[0]&0xf0 == 0x50 && string(magic[1:]) == "\x2a\x4d\x18":
		return formatZstd // a skippable frame
	}
	return formatPlain
}

// MagicBytes is how many bytes of an object IsCompressed needs.
const MagicBytes = 4

// IsCompressed reports whether an object that begins so is decompressed, which may take ten
// times the memory of a plain one.
func IsCompressed(begin []byte) bool { return format(begin) != formatPlain }

// textReader decompresses an object. It keeps its decompressors for the next object, so
// their results must not depend on the objects before: gzip is the standard library's,
// because klauspost's reader keeps Huffman codes over Reset and uses them where a corrupt
// object has none.
type textReader struct {
	reader   objectReader
	buffered *bufio.Reader
	format   string
	text     io.Reader
	inflated int64
	raw      []byte // the first MaxKept bytes of a compressed object
	gzip     gzip.Reader
	zstd     *zstd.Decoder
}

func (t *textReader) reset(r io.Reader) {
	t.reader = objectReader{r: r}
	t.buffered.Reset(&t.reader)
	t.format, t.text, t.inflated, t.raw = formatPlain, t.buffered, 0, t.raw[:0]
}

func (t *textReader) release() {
	t.reader = objectReader{}
	t.buffered.Reset(nil)
	t.text = nil
	if t.zstd != nil {
		_ = t.zstd.Reset(nil) // cannot fail without a reader
	}
}

// open detects the compression. An error means invalid content.
func (t *textReader) open() error {
	magic, _ := t.buffered.Peek(MagicBytes)
	t.format = format(magic)
	if t.format == formatPlain {
		return nil
	}
	head, _ := t.buffered.Peek(MaxKept)
	t.raw = append(t.raw, head...)
	if t.format == formatGzip {
		t.text = &t.gzip
		return t.gzip.Reset(t.buffered)
	}
	if t.zstd == nil {
		var err error
		t.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return err
		}
	}
	t.text = t.zstd
	return t.zstd.Reset(t.buffered)
}

// Read returns text. An error other than io.EOF means invalid content, unless
// reader.failure returns an error.
func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.text.Read(p)
	t.inflated += int64(n)
	if t.format == formatPlain || err != nil {
		return n, err
	}
	used := t.reader.read - int64(t.buffered.Buffered())
	if t.inflated > MaxInflated+MaxRatio*used {
		return n, errBomb
	}
	return n, nil
}

var errBomb = errors.New("decompression bomb")

// reason turns a content error of Read or open into the reason of a rejection.
func (t *textReader) reason(err error) string {
	switch {
	case errors.Is(err, errBomb):
		return fmt.Sprintf("object: found a decompression bomb (%s), expected at most %d MiB and %d times the compressed size",
			t.format, MaxInflated>>20, MaxRatio)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded): // the latter without a window
		return fmt.Sprintf("object: found zstd with a larger window, expected at most %d MiB", MaxWindow>>20)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("object: found truncated %s, expected all of it", t.format)
	}
	return fmt.Sprintf("object: found corrupt %s (%s), expected sound data", t.format, clip(err.Error()))
}
