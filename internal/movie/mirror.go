package movie

import "errors"

// ErrReplaced is returned for a mark of another catalogue: the database was restored from
// a copy, or replaced.
var ErrReplaced = errors.New("the catalogue is another one")

// Mark is a place in the change log. Besides the revision it holds enough of the change to
// recognise it: after a restore, another change may get the same revision. The zero Mark
// is before the first change.
type Mark struct {
	Revision int64
	// Movie is the id of the changed movie, ChangedAt the time of the change in Unix
	// milliseconds. Both are 0 when the change is no longer kept.
	Movie, ChangedAt int64
}

// State is a movie, visible or hidden, as a mirror receives it.
type State struct {
	ID int64
	Identity
	// Hidden: a tombstone hides the movie.
	Hidden bool
	// Fields are as [Movie.AppendFields] writes them, empty when it is hidden.
	Fields []byte
}
