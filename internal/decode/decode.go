// Package decode turns the bytes of an object into updates. It is the only
// judge of what is invalid.
//
//	source -> gzip, zstd or nothing -> window -> one value at a time -> Item
//
// An object holds a sequence of JSON objects or one array of them. A bad update
// costs itself; only where the end of a value cannot be known is more lost.
// Memory is bounded by the window, work by a constant factor of the input.
//
// What is wrong with the content becomes an [Item] with a reason. What is wrong
// with the reader is an error, because the object may be sound.
package decode

import (
	"bytes"
	"io"
	"sync"

	"jpmovies/internal/movie"
)

// What an update and an object may hold.
const (
	// MaxTitle and MaxName are in bytes of cleaned text.
	MaxTitle = 1024
	MaxName  = 512
	// MaxCast and MaxGenres count a list before repeats and blanks are dropped.
	MaxCast   = 5000
	MaxGenres = 200
	MinYear   = 1
	MaxYear   = 9999
	// MaxUpdate is in bytes of JSON, from brace to brace.
	MaxUpdate = 1 << 20
	// MaxDepth counts nested objects and arrays; the update itself is the first.
	MaxDepth = 100
	// MaxKept is in bytes: the head of a rejected update that is kept.
	MaxKept = movie.MaxKept
	// MaxWindow is in bytes: the memory that a zstd frame may ask for.
	MaxWindow = 8 << 20
	// MaxVerified is in bytes: a compressed object whose text is no longer is read to
	// its end, checksum included, before any of it is used.
	MaxVerified = 1 << 20
	// MaxInflated and MaxRatio bound what decompression may give: so many
	// bytes, and for each compressed byte so many more.
	MaxInflated = 64 << 20
	MaxRatio    = 200
)

// Item is one update of an object, or why it could not be used.
type Item struct {
	// Update is valid when Reason is empty. Of its stamp only Position is set.
	Update movie.Update
	// Position counts valid and rejected updates alike, from 1. The same bytes
	// always give the same positions.
	Position int64
	// Reason names the field, what was found and what was expected.
	Reason string
	// Bytes are the first [MaxKept] bytes of a rejected update. They belong to
	// the receiver.
	Bytes []byte
	// Truncated: what was rejected is longer than that.
	Truncated bool
	// Size is in bytes: the input that the update took.
	Size int
	// Ignored are the names of the update's fields that mean nothing here; those
	// inside another one that are nearly ours are behind its name and a slash (see
	// [Meant]). The slice is valid until yield returns.
	Ignored []string
}

// Read decodes an object and gives its items to yield in order.
//
// The error is yield's own, or the reader's, wrapped: then the object could not
// be read, what was yielded is a true beginning of it, and it must be tried
// again. Nothing that is wrong with the content is an error.
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
	window
	parser   parser
	yield    func(Item) error
	position int64
	lost     loss
}

// loss gathers what a rejection costs while its bytes stream by.
type loss struct {
	head []byte
	size int
	// truncated: head is not all. compressed: head is no text.
	truncated, compressed bool
}

func newDecoder() *decoder {
	d := &decoder{}
	d.init()

	return d
}

func (d *decoder) reset(r io.Reader, yield func(Item) error) {
	d.window.reset(r)
	d.yield, d.position = yield, 0
}

// release lets go of everything that belongs to the caller.
func (d *decoder) release() {
	d.window.release()
	d.parser.release()
	d.yield = nil
	d.lost = loss{head: d.lost.head[:0]}
}

func (d *decoder) run() error {
	if err := d.open(); err != nil {
		return err
	}
	if d.broken() && d.stop <= MaxVerified {
		d.inflated = 0 // nothing of its text is used
		return d.rejectRest(d.explain(d.end))
	}
	if reason := d.foreignReason(); reason != "" {
		return d.rejectRest(reason)
	}
	first, err := d.skipSpace()
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

// take moves n bytes from the window to the loss.
func (d *decoder) take(n int) {
	if room := MaxKept - len(d.lost.head); room > 0 {
		d.lost.head = append(d.lost.head, d.data()[:min(n, room)]...)
	}
	d.lost.size += n
	d.lost.truncated = d.lost.size > MaxKept
	d.drop(n)
}

// reject yields what was taken as one invalid update.
func (d *decoder) reject(reason string) error {
	d.position++
	kept := append([]byte{}, d.lost.head...) // a copy, and never nil
	if !d.lost.compressed {
		kept = bytes.TrimRight(kept, space)
	}
	item := Item{Position: d.position, Reason: reason, Bytes: kept, Truncated: d.lost.truncated, Size: d.lost.size}
	d.lost = loss{head: d.lost.head[:0]}
	return d.yield(item)
}

// rejectRest yields all that is left as one invalid update, the object's last.
// Transport may report damage only at the end, so the source is read up to
// there before anything is said about its content.
func (d *decoder) rejectRest(reason string) error {
	for {
		d.take(len(d.data()))
		if len(d.lost.head) == MaxKept || d.end != nil {
			break
		}
		if _, err := d.more(); err != nil {
			return err
		}
	}
	if d.end == nil && !d.lost.truncated {
		more, err := d.more()
		if err != nil {
			return err
		}
		d.lost.truncated = more
	}
	if err := d.drain(); err != nil {
		return err
	}
	if d.inflated == 0 {
		d.lost.head = append(d.lost.head[:0], d.raw...)
		d.lost.compressed = d.format != formatPlain
		d.lost.truncated = d.read > int64(len(d.raw))
	}
	d.end = io.EOF // and there is no more to be said about it
	return d.reject(reason)
}
