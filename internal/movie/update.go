package movie

import (
	"fmt"
	"slices"
	"strconv"
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
	// Bytes are what was rejected, at most MaxKept of it.
	Bytes []byte `json:"-"`
	// Truncated: there was more.
	Truncated bool `json:"-"`
}

// MaxKept is the length in bytes up to which a rejected update is kept.
const MaxKept = 64 << 10

// Reject makes the rejection of an update that the database refuses. Its bytes mean
// the same as the update did.
func (u Update) Reject(objectETag, reason string) Rejection {
	body := u.appendJSON(nil)
	r := Rejection{Key: u.Stamp.Key, ObjectETag: objectETag, Position: u.Stamp.Position, Reason: reason, Bytes: body}
	if len(body) > MaxKept {
		r.Bytes, r.Truncated = body[:MaxKept], true
	}
	return r
}

// appendJSON appends the update as a producer would write it: decode reads the same
// update from it.
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

// RefusedError says that the database will not take the data of a batch: trying the
// same again cannot help, and the update at fault is to be told apart.
type RefusedError struct {
	// Reason holds the database's words.
	Reason error
	// Setting: a setting of the server is to blame, not the data. The update is not
	// to be rejected; its object stays until the setting is changed.
	Setting bool
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused by the database: %v", e.Reason) }

// Unwrap gives the database's own error.
func (e *RefusedError) Unwrap() error { return e.Reason }
