// Package queuetest helps to test what uses a queue, and what is one: an
// in-memory queue that can lose, repeat, delay and reorder, and the suite that
// every queue.Queue has to pass.
package queuetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"jpmovies/internal/queue"
)

// Memory is a queue.Queue in memory. The zero value is an empty queue in which
// all goes well and messages come in order. Set the fields before its first use.
type Memory struct {
	// Visibility is how long a received message is hidden; 0 means 30 s.
	Visibility time.Duration
	// Random, when set, decides about the following, and shuffles.
	Random *rand.Rand
	// Lose and Repeat are how many of 1000 messages are lost and come twice.
	Lose, Repeat int
	// Delay is how late a message comes at most.
	Delay time.Duration
	// Fault, when set, is asked before each operation, "receive" or "delete". It is
	// called without a lock.
	Fault func(operation string) error

	mu       sync.Mutex
	messages []*stored
	receipts int
	sent     chan struct{} // closed when something was sent
}

type stored struct {
	queue.Message
	visible time.Time // from then on
}

var _ queue.Queue = (*Memory)(nil)

// Send puts a message into the queue.
func (m *Memory) Send(body string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := 1
	if m.Random != nil {
		if m.Random.IntN(1000) < m.Lose {
			copies = 0
		}
		if m.Random.IntN(1000) < m.Repeat {
			copies *= 2
		}
	}
	for range copies {
		from := time.Now()
		if m.Random != nil {
			from = from.Add(time.Duration(m.Random.Float64() * float64(m.Delay)))
		}
		m.messages = append(m.messages, &stored{queue.Message{Body: body}, from})
	}
	if m.sent != nil {
		close(m.sent)
		m.sent = nil
	}
}

// Len is how many messages the queue holds, hidden ones too.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.messages)
}

// Receive implements queue.Queue.
func (m *Memory) Receive(ctx context.Context, wait time.Duration) ([]queue.Message, error) {
	if err := m.fault("receive"); err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; {
		found, sent, next := m.take(end)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(found) > 0 || !time.Now().Before(end) {
			return found, nil
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-sent:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take hides and returns messages that are visible. If there is none, something
// may have changed when sent is closed, and at the time next, which is not after
// end.
func (m *Memory) take(end time.Time) (found []queue.Message, sent chan struct{}, next time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Random != nil {
		m.Random.Shuffle(len(m.messages), func(i, j int) { m.messages[i], m.messages[j] = m.messages[j], m.messages[i] })
	}
	now := time.Now()
	next = end
	for _, s := range m.messages {
		switch {
		case !s.visible.After(now) && len(found) < queue.MaxMessages:
			m.receipts++
			s.Receipt = fmt.Sprint(m.receipts) // an older one is of no use any more
			s.visible = now.Add(m.visibility())
			found = append(found, s.Message)
		case s.visible.Before(next):
			next = s.visible
		}
	}
	if m.sent == nil {
		m.sent = make(chan struct{})
	}
	return found, m.sent, next
}

func (m *Memory) visibility() time.Duration {
	if m.Visibility == 0 {
		return 30 * time.Second
	}
	return m.Visibility
}

// Delete implements queue.Queue.
func (m *Memory) Delete(ctx context.Context, messages []queue.Message) error {
	if err := m.fault("delete"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m.messages = slices.DeleteFunc(m.messages, func(s *stored) bool {
		return slices.ContainsFunc(messages, func(d queue.Message) bool { return d.Receipt == s.Receipt })
	})
	return nil
}

func (m *Memory) fault(operation string) error {
	if m.Fault == nil {
		return nil
	}
	return m.Fault(operation)
}
