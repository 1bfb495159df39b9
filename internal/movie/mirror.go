package movie

import "errors"

// ErrReplaced says that a mark is not of this catalogue: it was restored from a copy,
// or another one has taken its place.
var ErrReplaced = errors.New("the catalogue is another one")

// Mark is a place in the change log: a revision, and what tells the change that it
// numbers from another one that got the same number after a restore. The zero Mark
// is before the first change.
type Mark struct {
	Revision int64
	// Movie is the id of the movie that changed, ChangedAt when, in Unix milliseconds;
	// both are 0 when that is no longer kept.
	Movie, ChangedAt int64
}

// State is what the catalogue knows of a movie, for a mirror.
type State struct {
	ID int64
	Identity
	// Hidden: readers do not see it.
	Hidden bool
	// Fields are as [Movie.AppendFields] writes them, empty when it is hidden.
	Fields []byte
}
