// Package bucket defines the contract of an object store: list objects, read one generation of
// an object, and delete that generation and no other. It contains no SDK.
package bucket

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"
)

// ProbePrefix marks the objects of probes. A key that contains it, after any prefix, is never
// input.
const ProbePrefix = ".jpmovies-probe/"

// MaxKey and MaxETag are the longest keys and ETags that the worker accepts, in bytes. S3 has
// no longer ones (User Guide, "Naming Amazon S3 objects"); other servers may.
const (
	MaxKey  = 1024
	MaxETag = 255
)

// The errors of a Store. After any other error the next pass retries. After an error of
// Delete the object may survive or not.
var (
	// ErrNotFound: no object has the key.
	ErrNotFound = errors.New("no such object")
	// ErrChanged: the object is another generation than the one named, or than the one
	// whose read has begun. Nothing was done.
	ErrChanged = errors.New("the object was overwritten")
	// ErrDenied: the store refuses the request for this object and would refuse it again:
	// a missing right or an archived object, for example. The object may exist or not.
	ErrDenied = errors.New("access to the object is denied")
	// ErrPartial: a part of the bucket cannot be listed.
	ErrPartial = errors.New("not all objects can be listed")
	// ErrSettling: the object exists but must not be read yet.
	ErrSettling = errors.New("the object may still be being written")
)

// Ref names one generation of an object.
type Ref struct {
	Key string
	// ETag is the object ETag: an opaque mark of the content, never parsed.
	ETag string
}

// Object describes one generation of an object.
type Object struct {
	Ref
	// Size is in bytes; -1 if unknown before the object is read.
	Size         int64
	LastModified time.Time
	// Settling reports that the object may still be being written. It is listed, so it counts
	// as waiting, but must not be read yet.
	Settling bool
}

// Store is a bucket. Implementations are safe for concurrent use by goroutines and by
// processes. They do their own retries: callers retry only in their next pass.
type Store interface {
	// List yields the objects in pages, in any order; each page costs one request. An object
	// that is written or deleted during the listing may be listed or not. List ends after an
	// error; ErrPartial if all but a part of the bucket was listed.
	List(ctx context.Context) iter.Seq2[[]Object, error]

	// Get opens the object as it is now. The Object describes exactly the bytes that the
	// reader returns: the same generation, the same LastModified. A reader that cannot
	// return all of them fails with an error other than io.EOF; ErrChanged if the object
	// was overwritten meanwhile. Errors of Get: ErrNotFound, ErrDenied, ErrSettling.
	Get(ctx context.Context, key string) (Object, io.ReadCloser, error)

	// Delete deletes each object if it is still the generation named. It returns a result for
	// each, in the same order: nil (deleted, durably), ErrNotFound (somebody else deleted it),
	// ErrChanged (it survives) or another error (it may survive or not).
	Delete(ctx context.Context, refs []Ref) []error
}

// Deleter is a Store that tells how its Delete works at present.
type Deleter interface {
	// DeleteSize returns how many objects one request deletes.
	DeleteSize() int
	// Conditional reports whether an object that is overwritten at any moment before its
	// deletion is proven to survive.
	Conditional() bool
}

// Limited is a Store that knows how many reads it can serve at a time.
type Limited interface {
	// Concurrency returns how many reads should be in flight at present.
	Concurrency() int
}

// Ignored reports whether an object is never input: an empty folder marker, or the object of a
// probe.
func Ignored(o Object) bool {
	return o.Size == 0 && strings.HasSuffix(o.Key, "/") || strings.Contains(o.Key, ProbePrefix)
}
