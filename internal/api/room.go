package api

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of the memory that answers take while they are made and sent. Small ones are
// not counted: the system's own buffers take them, however slow the client is.
const (
	maxLoads    = 16
	roomBytes   = 48 << 20
	smallAnswer = 64 << 10
	roomTimeout = 10 * time.Second // to wait for room
)

// room is what is left of these bounds.
type room struct {
	loads *semaphore.Weighted // answers that are being read from the database
	bytes *semaphore.Weighted // of answers on their way to clients
}

func newRoom() room {
	return room{loads: semaphore.NewWeighted(maxLoads), bytes: semaphore.NewWeighted(roomBytes)}
}

var errBusy = problem{
	Status: http.StatusServiceUnavailable, retryAfter: "1",
	Detail: "too many large answers are under way, try again later",
}

// hold gets an answer and the room to send it. One that finds no room is dropped while
// it waits, and got again: what waits takes no memory. release gives the room back.
func (r room) hold(ctx context.Context, get func() (*answer, error)) (a *answer, release func(), err error) {
	if a, err = get(); err != nil || len(a.body) <= smallAnswer {
		return a, func() {}, err
	}
	bytes := min(int64(a.weight(0)), roomBytes)
	release = func() { r.bytes.Release(bytes) }
	if r.bytes.TryAcquire(bytes) {
		return a, release, nil
	}
	waiting, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	if r.bytes.Acquire(waiting, bytes) != nil {
		return nil, nil, errBusy
	}
	if a, err = get(); err != nil {
		release()
		return nil, nil, err
	}
	return a, release, nil
}
