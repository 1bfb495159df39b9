package movie

import (
	"errors"
	"time"
)

// ErrPruned says that changes are asked for which are no longer kept.
var ErrPruned = errors.New("these changes are no longer kept")

// Change is one entry of the change feed.
type Change struct {
	Revision int64
	// Row is the movie as it is now; its Fields are nil when it is not visible.
	Row Row
}

// Status is how fresh the catalogue is.
type Status struct {
	Revision int64
	// Movies that are visible.
	Movies  int64
	Workers []WorkerStatus
}

// StoredRejection is a rejection as operators look at it.
type StoredRejection struct {
	ID int64 `json:"id"`
	Rejection
	Time time.Time `json:"time"`
}
