// Package report holds what operators and readers are told about the state of the
// system: the last report of each worker, rejections, what became of an object, and
// which objects a movie comes from. The catalogue fills reports, the API and the
// commands show them.
package report

import (
	"strings"
	"time"

	"jpmovies/internal/movie"
)

// Status says how fresh the catalogue is.
type Status struct {
	Revision int64
	// Movies counts visible movies.
	Movies  int64
	Workers []Worker
}

// Worker is the report that a worker stores after each pass. A zero time means never.
type Worker struct {
	// Shard is i/n, or empty for the whole bucket.
	Shard      string
	LastPass   time.Time
	LastCommit time.Time
	// ObjectsWaiting counts the objects left in the bucket when the pass ended.
	ObjectsWaiting int
	// OldestWaiting is the LastModified of the oldest of them; nil when none waits.
	OldestWaiting *time.Time
	// Uncounted: more may wait; the stored number and time are kept.
	Uncounted bool
}

// Current returns the reports of the workers that divide the bucket as the worker that
// reported last does. The others are left over from another number of shards, and the
// current workers count the same objects.
func Current(workers []Worker) []Worker {
	var latest Worker
	for _, w := range workers {
		if !w.LastPass.Before(latest.LastPass) {
			latest = w
		}
	}
	var current []Worker
	for _, w := range workers {
		if shards(w) == shards(latest) {
			current = append(current, w)
		}
	}
	return current
}

// shards returns the n of the shard i/n, empty for a worker of the whole bucket.
func shards(w Worker) string {
	_, n, _ := strings.Cut(w.Shard, "/")
	return n
}

// Rejection is a stored rejection.
type Rejection struct {
	ID int64 `json:"id"`
	movie.Rejection
	Time time.Time `json:"time"`
}
