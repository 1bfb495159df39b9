package worker

import (
	"fmt"
	"hash/fnv"
)

// Shard selects the keys whose hash modulo Count is Index, so that several workers do not
// read the same objects. Correctness does not depend on it. The zero Shard selects all keys.
type Shard struct{ Index, Count int }

// String returns i/n, or "" for the zero Shard.
func (s Shard) String() string {
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Count)
}

// Owns reports whether the shard selects a key.
func (s Shard) Owns(key string) bool {
	if s.Count == 0 {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))                      // never fails
	return int(h.Sum32()%uint32(s.Count)) == s.Index //nolint:gosec // Count is small and positive
}
