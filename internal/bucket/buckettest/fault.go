package buckettest

import (
	"context"
	"io"
)

// Kind is the kind of a step.
type Kind string

// The steps of operations that may fail.
const (
	// List is one listing page. Its Key is the last key of the page before.
	List Kind = "list"
	// Get opens an object.
	Get Kind = "get"
	// Read is the middle of a body: half of it was returned.
	Read Kind = "read"
	// Delete is one delete request as a whole.
	Delete Kind = "delete"
	// DeleteKey is one object of a delete request.
	DeleteKey Kind = "delete key"
)

// Op is one step. Memory.Fault receives it twice: with Applied false, when an error means that
// the step was not applied, and with Applied true, when an error means that the step was
// applied and the response was lost. It receives Read once.
type Op struct {
	Kind    Kind
	Key     string
	Applied bool
}

// body returns the bytes of an object. It may fail in the middle.
type body struct {
	ctx    context.Context
	memory *Memory
	key    string
	rest   []byte
	half   int // bytes before the middle; -1 behind it
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.half == 0 {
		if err := b.memory.fault(Op{Kind: Read, Key: b.key}); err != nil {
			return 0, err
		}
		b.half = -1
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	limit := len(b.rest)
	if b.half > 0 {
		limit = b.half
	}
	n := copy(p, b.rest[:limit])
	b.rest = b.rest[n:]
	if b.half > 0 {
		b.half -= n
	}
	return n, nil
}

func (b *body) Close() error {
	if !b.closed {
		b.closed = true
		b.memory.count(func(c *Counts) { c.OpenReaders-- })
	}
	return nil
}
