package worker

import "sync"

// gate bounds the number of goroutines between enter and leave. Its limit may change at any
// time.
type gate struct {
	limit func() int

	mu      sync.Mutex
	room    sync.Cond
	waiting int
	inside  int
}

func newGate(limit func() int) *gate {
	g := &gate{limit: limit}
	g.room.L = &g.mu
	return g
}

// enter waits until there is room.
func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.inside >= g.limit() {
		g.waiting++
		g.room.Wait()
		g.waiting--
	}
	g.inside++
}

// leave makes room, and wakes those who wait: more than one if the limit has grown.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	for range min(g.waiting, g.limit()-g.inside) {
		g.room.Signal()
	}
}
