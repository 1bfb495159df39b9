// Package decode turns the bytes of an object into updates and rejections. No other package
// decides whether an update is valid.
//
//	reader -> gzip, zstd or plain text -> window -> one JSON value at a time -> Item
//
// An object contains a sequence of JSON objects, or one array of them. An invalid update is
// rejected alone, unless its end is unknown: then the reading continues at the next line that
// begins with a brace, or, in an array, the rest is rejected too. Memory is bounded by the
// window, and time by a constant factor of the input.
//
// Invalid content becomes an [Item] with a reason. A failing reader is an error, because the
// object may be valid.
package decode

import (
	"bytes"
	"io"
	"sync"

	"jpmovies/internal/movie"
)

// The limits of an update and of an object.
const (
	// MaxTitle and MaxName are in bytes, after trimming and normalisation.
	MaxTitle = 1024
	MaxName  = 512
	// MaxCast and MaxGenres are numbers of names, before repeated and blank ones are dropped.
	MaxCast   = 5000
	MaxGenres = 200
	// MaxUpdate is in bytes of JSON.
	MaxUpdate = 1 << 20
	// MaxDepth is the number of nested objects and arrays, the update itself included.
	MaxDepth = 100
	// MaxKept is in bytes: a rejected update is kept up to this length.
	MaxKept = movie.MaxKept
	// MaxWindow is in bytes: the largest window of a zstd frame (RFC 8878, section 3.1.1.1.2).
	MaxWindow = 8 << 20
	// MaxVerified is in bytes: a compressed object with at most so much text is verified to
	// its end, checksum included, before any of its updates is yielded.
	MaxVerified = 1 << 20
	// MaxInflated and MaxRatio limit decompression: to MaxInflated bytes plus MaxRatio bytes
	// for each compressed byte.
	MaxInflated = 64 << 20
	MaxRatio    = 200
)

// Item is one update of an object, or one rejection.
type Item struct {
	// Update is valid if Reason is empty. Its stamp has only a Position.
	Update movie.Update
	// Position counts updates and rejections from 1. The same bytes always have the same
	// positions.
	Position int64
	// Reason names the field, what was found and what was expected; "" for a valid update.
	Reason string
	// Bytes are the first [MaxKept] bytes of a rejected update. The caller owns them.
	Bytes []byte
	// Truncated reports that the rejected update is longer.
	Truncated bool
	// Size is the length in bytes of the update; of a rejection, of what was read for it.
	Size int
	// Ignored holds the names of the update's unknown fields. A member of an unknown field
	// is listed as field/member if [Meant] knows it. The slice is valid until yield returns.
	Ignored []string
}

// Read decodes an object and passes its items to yield in order. It may be called
// concurrently.
//
// It returns the error of yield, or that of r, wrapped. After an error of r the yielded items
// are correct but not all: the object must be read again. Invalid content is no error.
func Read(r io.Reader, yield func(Item) error) error {
	d := decoders.Get().(*decoder)
	d.reset(r, yield)
	err := d.run()
	d.release()
	decoders.Put(d)
	return err
}

var decoders = sync.Pool{New: func() any { return newDecoder() }}

// decoder is the state of one Read.
type decoder struct {
	window   window
	parser   parser
	yield    func(Item) error
	position int64
	rejected rejectedBytes
}

// rejectedBytes collects the bytes of a rejection.
type rejectedBytes struct {
	head       []byte // the first MaxKept
	size       int
	truncated  bool // head is not all
	compressed bool // head is compressed
}

func newDecoder() *decoder {
	d := &decoder{}
	d.window.init()
	return d
}

func (d *decoder) reset(r io.Reader, yield func(Item) error) {
	d.window.reset(r)
	d.yield, d.position = yield, 0
}

// release drops all references to the caller's data.
func (d *decoder) release() {
	d.window.text.release()
	d.parser.release()
	d.yield = nil
	d.rejected = rejectedBytes{head: d.rejected.head[:0]}
}

func (d *decoder) run() error {
	if err := d.window.open(); err != nil {
		return err
	}
	if d.window.broken() && d.window.stop <= MaxVerified {
		d.window.text.inflated = 0 // no update was yielded: keep the compressed bytes
		return d.rejectRest(d.window.text.reason(d.window.end))
	}
	if reason := d.otherFormatReason(); reason != "" {
		return d.rejectRest(reason)
	}
	first, err := d.window.skipSpace()
	if err != nil {
		return err
	}
	if first == '[' {
		return d.array()
	}
	return d.sequence()
}

// accept yields a valid update.
func (d *decoder) accept(u movie.Update, size int) error {
	d.position++
	u.Stamp.Position = d.position
	item := Item{Update: u, Position: d.position, Size: size}
	if names := d.parser.ignored.names; len(names) > 0 {
		item.Ignored = names
	}
	return d.yield(item)
}

// discard moves n bytes from the window to the rejection.
func (d *decoder) discard(n int) {
	if room := MaxKept - len(d.rejected.head); room > 0 {
		d.rejected.head = append(d.rejected.head, d.window.data()[:min(n, room)]...)
	}
	d.rejected.size += n
	d.rejected.truncated = d.rejected.size > MaxKept
	d.window.drop(n)
}

// reject yields the discarded bytes as one rejection.
func (d *decoder) reject(reason string) error {
	d.position++
	kept := append([]byte{}, d.rejected.head...) // not nil
	if !d.rejected.compressed {
		kept = bytes.TrimRight(kept, space)
	}
	item := Item{Position: d.position, Reason: reason, Bytes: kept, Truncated: d.rejected.truncated, Size: d.rejected.size}
	d.rejected = rejectedBytes{head: d.rejected.head[:0]}
	return d.yield(item)
}

// rejectRest yields the rest of the object as one rejection, the last item. It first reads
// the object to its end, because a failing reader may report its error only there.
func (d *decoder) rejectRest(reason string) error {
	for {
		d.discard(len(d.window.data()))
		if len(d.rejected.head) == MaxKept || d.window.end != nil {
			break
		}
		if _, err := d.window.more(); err != nil {
			return err
		}
	}
	if d.window.end == nil && !d.rejected.truncated {
		more, err := d.window.more()
		if err != nil {
			return err
		}
		d.rejected.truncated = more
	}
	if err := d.window.text.reader.drain(); err != nil {
		return err
	}
	if d.window.text.inflated == 0 {
		d.rejected.head = append(d.rejected.head[:0], d.window.text.raw...)
		d.rejected.compressed = d.window.text.format != formatPlain
		d.rejected.truncated = d.window.text.reader.read > int64(len(d.window.text.raw))
	}
	d.window.end = io.EOF // so that the caller does not reject it again
	return d.reject(reason)
}
