package movie

import (
	"fmt"
	"slices"
	"strconv"
)

// Update is the statement of an object about one movie. Package decode has judged it
// valid.
type Update struct {
	Identity
	// Cast and Genres: nil keeps the stored list, an empty list clears it, any other list
	// replaces it.
	Cast   []string
	Genres []string
	// Deleted makes the update a tombstone.
	Deleted bool
	Stamp   Stamp
}

// Rejection records an update that could not be used. Key, ObjectETag and Position
// identify it: it is stored once, however often it is delivered. Its JSON is for lists and
// leaves out the bytes.
type Rejection struct {
	Key        string `json:"key"`
	ObjectETag string `json:"object_etag"`
	// Position of the update in its object, from 1.
	Position int64 `json:"position"`
	// Reason names the field, what was found and what was expected; or it is the error of
	// the database that refused the update.
	Reason string `json:"reason"`
	// Bytes are the first MaxKept bytes of the rejected text.
	Bytes []byte `json:"-"`
	// Truncated reports that Bytes are not the whole text.
	Truncated bool `json:"-"`
}

// MaxKept is how many bytes of a rejected update are stored.
const MaxKept = 64 << 10

// Reject returns the rejection of an update that the database refuses. The rejection's
// bytes decode to the same update unless they are truncated.
func (u Update) Reject(objectETag, reason string) Rejection {
	body := u.appendJSON(nil)
	r := Rejection{Key: u.Stamp.Key, ObjectETag: objectETag, Position: u.Stamp.Position, Reason: reason, Bytes: body}
	if len(body) > MaxKept {
		r.Bytes, r.Truncated = body[:MaxKept], true
	}
	return r
}

// appendJSON appends the update as a producer would write it. Package decode decodes it to
// the same update.
func (u Update) appendJSON(dst []byte) []byte {
	dst = AppendQuoted(append(dst, `{"title": `...), u.Title)
	dst = strconv.AppendInt(append(dst, `, "year": `...), int64(u.Year), 10)
	if u.Cast != nil {
		dst = AppendNames(append(dst, `, "cast": `...), u.Cast)
	}
	if u.Genres != nil {
		dst = AppendNames(append(dst, `, "genres": `...), u.Genres)
	}
	if u.Deleted {
		dst = append(dst, `, "deleted": true`...)
	}
	return append(dst, '}')
}

// Object names one generation of an object in the ingest log.
type Object struct {
	Key  string
	ETag string
	// Time is the LastModified of its GET, as in stamps.
	Time Time
	// Blank: the object holds neither updates nor rejections.
	Blank bool
}

// Batch is the content of one transaction. Of two updates with equal stamps, the later one
// in Updates wins.
type Batch struct {
	// Objects are the objects that updates and rejections come from, each once, and blank
	// objects. Other objects among them are ignored.
	Objects    []Object
	Updates    []Update
	Rejections []Rejection
}

// Empty reports whether there is nothing to commit.
func (b Batch) Empty() bool {
	return len(b.Updates)+len(b.Rejections) == 0 && !slices.ContainsFunc(b.Objects, func(o Object) bool { return o.Blank })
}

// RefusedError is returned when the database refuses the data of a batch for good: a retry
// cannot help, and the worker has to find the update at fault.
type RefusedError struct {
	// Reason is the database's error.
	Reason error
	// Setting: not the data is at fault, but a setting of the server, the size of the batch,
	// or a damaged row. A single update must not be rejected; its object stays until that is
	// repaired.
	Setting bool
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused by the database: %v", e.Reason) }

// Unwrap returns Reason.
func (e *RefusedError) Unwrap() error { return e.Reason }
