package movie

import "errors"

// ErrPruned is returned for changes that are no longer kept.
var ErrPruned = errors.New("these changes are no longer kept")

// Change is one entry of the change feed.
type Change struct {
	Revision int64
	// Row is the movie as it is now; its Fields are nil when it is not visible.
	Row Row
}
