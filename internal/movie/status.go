package movie

import "time"

// WorkerStatus is what a worker tells about itself after each pass. Zero times
// mean never, or nothing.
type WorkerStatus struct {
	// Shard is i/n, or empty for the whole bucket.
	Shard      string
	LastPass   time.Time
	LastCommit time.Time
	// ObjectsWaiting in the bucket when the pass ended.
	ObjectsWaiting int
	// OldestWaiting is the LastModified of the oldest of them.
	OldestWaiting time.Time
}
