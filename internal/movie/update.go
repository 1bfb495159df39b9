package movie

import (
	"fmt"
	"slices"
)

// Update is what an object says about one movie. It comes from decode, which
// has judged it valid.
type Update struct {
	Identity
	// Cast and Genres: nil keeps what is known, an empty list clears it, any
	// other list replaces it.
	Cast   []string
	Genres []string
	// Deleted makes the update a tombstone.
	Deleted bool
	Stamp   Stamp
}

// Rejection is the record of an update that could not be used. Key, ObjectETag
// and Position name it: however often it is delivered, it is kept once. As JSON it
// is what operators see in lists, without its bytes.
type Rejection struct {
	Key        string `json:"key"`
	ObjectETag string `json:"object_etag"`
	// Position of the update in its object, from 1.
	Position int64 `json:"position"`
	// Reason names the field, what was found and what was expected.
	Reason string `json:"reason"`
	// Bytes are the first 64 KiB of what was rejected.
	Bytes []byte `json:"-"`
}

// Object is one generation of an object, as the ingest log names it.
type Object struct {
	Key  string
	ETag string
	// Time is the LastModified of its GET, as in stamps.
	Time Time
	// Blank: it holds nothing, neither updates nor rejections.
	Blank bool
}

// Batch is what is committed in one transaction. Where two updates carry equal
// stamps, the one further back in Updates wins.
type Batch struct {
	// Objects are those that updates and rejections come from, each once, and
	// blank ones; others among them do no harm.
	Objects    []Object
	Updates    []Update
	Rejections []Rejection
}

// Empty tells whether there is nothing to commit.
func (b Batch) Empty() bool {
	return len(b.Updates)+len(b.Rejections) == 0 && !slices.ContainsFunc(b.Objects, func(o Object) bool { return o.Blank })
}

// RefusedError says that a healthy database refuses the data of a batch for
// good: trying again cannot help, and the update at fault is to be rejected.
type RefusedError struct {
	// Reason holds the database's words.
	Reason error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused by the database: %v", e.Reason) }

// Unwrap gives the database's own error.
func (e *RefusedError) Unwrap() error { return e.Reason }
