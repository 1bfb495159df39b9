package worker

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestGate: at most as many as the limit are inside; all get in when it grows, and none
// waits for ever.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limit, inside, most atomic.Int64
		limit.Store(3)
		g := newGate(func() int { return int(limit.Load()) })
		work, done := make(chan struct{}), sync.WaitGroup{}
		for range 20 {
			done.Go(func() {
				g.enter()
				most.Store(max(most.Load(), inside.Add(1)))
				<-work
				inside.Add(-1)
				g.leave()
			})
		}
		expect := func(want int64) {
			t.Helper()
			if synctest.Wait(); inside.Load() != want {
				t.Errorf("%d are inside, want %d", inside.Load(), want)
			}
		}
		expect(3)
		limit.Store(8)
		work <- struct{}{}
		expect(8)
		limit.Store(1)
		for range 7 {
			work <- struct{}{}
		}
		expect(1)
		close(work)
		done.Wait()
		if most.Load() != 8 {
			t.Errorf("%d were inside at a time", most.Load())
		}
	})
}
