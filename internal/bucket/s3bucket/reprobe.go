package s3bucket

import (
	"context"
	"sync"
	"time"
)

// A probe that could not try all ways is repeated after reprobeFirst, and then with
// doubling pauses of up to reprobeLast.
const (
	reprobeFirst = 10 * time.Minute
	reprobeLast  = 24 * time.Hour
)

// reprobeSchedule is the time of the next probe.
type reprobeSchedule struct {
	mu    sync.Mutex
	pause time.Duration
	next  time.Time // zero for none
}

// plan sets the next probe, or none.
func (s *reprobeSchedule) plan(again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !again {
		s.pause, s.next = 0, time.Time{}
		return
	}
	s.pause = min(max(2*s.pause, reprobeFirst), reprobeLast)
	s.next = time.Now().Add(s.pause)
}

// due reports whether a probe is due, to one caller only.
func (s *reprobeSchedule) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next.IsZero() || time.Now().Before(s.next) {
		return false
	}
	s.next = time.Now().Add(s.pause)
	return true
}

// reprobe probes again if that is due.
func (b *Bucket) reprobe(ctx context.Context) {
	if !b.reprobes.due() {
		return
	}
	if err := b.Probe(ctx); err != nil {
		b.log.Warn("probe failed; deletes stay as they are until the next probe", "way", b.Way(), "error", err)
	}
}
