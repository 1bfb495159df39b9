package api

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bounds of the memory for answers that are being computed and sent. Small answers are not
// counted: they fit into the system's own buffers, however slow the client is.
const (
	maxLoads    = 16
	roomBytes   = 48 << 20
	smallAnswer = 64 << 10
	roomTimeout = 10 * time.Second // how long a request waits
)

// room holds the semaphores of these bounds.
type room struct {
	loads    *semaphore.Weighted // concurrent reads of answers from the database
	computes *semaphore.Weighted // concurrent computations of answers from the index
	bytes    *semaphore.Weighted // bytes of answers being sent
}

func newRoom() room {
	return room{semaphore.NewWeighted(maxLoads), semaphore.NewWeighted(maxLoads), semaphore.NewWeighted(roomBytes)}
}

// acquire waits for room, for at most roomTimeout.
func acquire(ctx context.Context, in *semaphore.Weighted, n int64) error {
	if in.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	if in.Acquire(ctx, n) != nil {
		return errBusy
	}
	return nil
}

var errBusy = problem{
	Status: http.StatusServiceUnavailable, retryAfter: "1",
	Detail: "too many answers are being made or sent, try again later",
}

// hold gets an answer and reserves its bytes. If it has to wait for room, it drops the
// answer and gets it again afterwards, because a waiting answer would take memory. The
// caller must call release.
func (r room) hold(ctx context.Context, get func() (*answer, error)) (a *answer, release func(), err error) {
	if a, err = get(); err != nil || len(a.body) <= smallAnswer {
		return a, func() {}, err
	}
	bytes := min(int64(a.weight(0)), roomBytes)
	release = func() { r.bytes.Release(bytes) }
	if r.bytes.TryAcquire(bytes) {
		return a, release, nil
	}
	a = nil
	if acquire(ctx, r.bytes, bytes) != nil {
		return nil, nil, errBusy
	}
	if a, err = get(); err != nil {
		release()
		return nil, nil, err
	}
	return a, release, nil
}
