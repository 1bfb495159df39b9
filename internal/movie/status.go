package movie

import (
	"strings"
	"time"
)

// WorkerStatus is what a worker tells about itself after each pass. Zero times
// of its own clock mean never.
type WorkerStatus struct {
	// Shard is i/n, or empty for the whole bucket.
	Shard      string
	LastPass   time.Time
	LastCommit time.Time
	// ObjectsWaiting in the bucket when the pass ended.
	ObjectsWaiting int
	// OldestWaiting is the LastModified of the oldest of them; nil when none waits.
	OldestWaiting *time.Time
}

// Current are the workers that share the bucket as it is shared now: by as many
// shards as the worker that was heard of last. What others have left behind, when
// the bucket was shared differently, is about objects that are counted here.
func Current(workers []WorkerStatus) []WorkerStatus {
	var latest WorkerStatus
	for _, w := range workers {
		if !w.LastPass.Before(latest.LastPass) {
			latest = w
		}
	}
	var current []WorkerStatus
	for _, w := range workers {
		if shards(w) == shards(latest) {
			current = append(current, w)
		}
	}
	return current
}

// shards is the n of i/n, empty for a worker of the whole bucket.
func shards(w WorkerStatus) string {
	_, n, _ := strings.Cut(w.Shard, "/")
	return n
}
