package buckettest

import (
	"context"
	"io"
)

// Kind names what is being done to a bucket.
type Kind string

// The steps that can fail.
const (
	// List is one listing page; Key is the last one of the page before.
	List Kind = "list"
	// Get is the opening of an object.
	Get Kind = "get"
	// Read is the middle of a body: half of it has been given.
	Read Kind = "read"
	// Delete is one delete request as a whole.
	Delete Kind = "delete"
	// DeleteKey is one object of a delete request.
	DeleteKey Kind = "delete key"
)

// Op is one step, as Memory.Fault is told of it, twice: first with Applied
// false, when an error means that nothing was done; then with Applied true, when
// an error means that it was done and the answer got lost. Read comes once.
type Op struct {
	Kind    Kind
	Key     string
	Applied bool
}

// body gives the bytes of an object, and asks for a fault at their middle.
type body struct {
	ctx    context.Context
	memory *Memory
	key    string
	rest   []byte
	half   int // bytes to give before the fault is asked for; -1 afterwards
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
