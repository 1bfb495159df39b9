// Package bucket is the written contract of an object store, as the worker
// needs it: list, read, and delete what was read. It holds no SDK.
package bucket

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"
)

// ProbePrefix marks the objects with which a store is tried out. A key that
// contains it is never input, whatever stands before it.
const ProbePrefix = ".jpmovies-probe/"

// MaxKey and MaxETag are the lengths in bytes up to which objects are taken. S3 knows
// no longer ones, other servers may.
const (
	MaxKey  = 1024
	MaxETag = 255
)

// Errors that a store tells apart. Every other error is transient: the object
// stays where it is, and the next pass tries again.
var (
	// ErrNotFound: no object has that key (any more).
	ErrNotFound = errors.New("no such object")
	// ErrChanged: the object is not the generation that was named. Nothing was done.
	ErrChanged = errors.New("object was overwritten meanwhile")
	// ErrDenied: the store answers, but refuses this object. It may be there or not.
	ErrDenied = errors.New("access to the object is refused")
	// ErrSettling: the object is there, but must not be read yet.
	ErrSettling = errors.New("it may still be being written")
)

// Ref names one generation of an object.
type Ref struct {
	Key string
	// ETag is the object ETag: an opaque mark of the content. Never parsed.
	ETag string
}

// Object is what a store says about an object.
type Object struct {
	Ref
	// Size in bytes; -1 when only reading tells.
	Size         int64
	LastModified time.Time
	// Settling: the object may still be being written. It is listed, so that it
	// counts as waiting, but must not be read yet.
	Settling bool
}

// Store is a bucket. Implementations are safe for use by several goroutines and
// by several processes at once.
//
// Retries are the store's business: it knows its protocol. An error which leaves
// it is final for this pass.
type Store interface {
	// List yields the objects page by page, in any order; each page costs one
	// request. An object that is written or deleted meanwhile may be listed or
	// not. After an error nothing more is yielded.
	List(ctx context.Context) iter.Seq2[[]Object, error]

	// Get opens the object as it is now. The Object describes exactly the bytes
	// that the reader gives: same generation, same LastModified. A reader that
	// cannot give all of them fails with an error other than io.EOF. ErrNotFound,
	// ErrSettling.
	Get(ctx context.Context, key string) (Object, io.ReadCloser, error)

	// Delete deletes each object if it is still the generation named, and says
	// for each what became of it, in the same order: nil (deleted), ErrNotFound
	// (somebody else did it), ErrChanged (it survives), or another error (it may
	// or may not survive). A nil is durable.
	Delete(ctx context.Context, refs []Ref) []error
}

// Deleter is a Store that says how its Delete works at present.
type Deleter interface {
	// DeleteSize is how many objects one request deletes.
	DeleteSize() int
	// Conditional tells whether it is proven that an object survives which was
	// overwritten at any moment before its deletion.
	Conditional() bool
}

// Ignored tells whether an object is never input: a folder marker, or one that
// probes put there.
func Ignored(o Object) bool {
	return o.Size == 0 && strings.HasSuffix(o.Key, "/") || strings.Contains(o.Key, ProbePrefix)
}
