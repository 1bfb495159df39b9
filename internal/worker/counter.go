package worker

import "sync"

// counterLimit is how many keys a counter remembers.
const counterLimit = 10_000

// counter counts keys. It forgets all of them when it holds counterLimit, so its memory is
// bounded. It is safe for concurrent use.
type counter[K comparable] struct {
	mu    sync.Mutex
	times map[K]int
}

// add counts a key, and returns how often it was counted.
func (c *counter[K]) add(key K) (times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil || len(c.times) == counterLimit && c.times[key] == 0 {
		c.times = make(map[K]int)
	}
	c.times[key]++
	return c.times[key]
}
