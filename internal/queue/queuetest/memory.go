// Package queuetest contains a fake queue in memory that can lose, repeat, delay and reorder
// messages, and the conformance suite of queue.Queue.
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

// Memory is a fake queue.Queue in memory. The zero value is an empty queue without faults that
// keeps the order. Set the fields before the first use.
type Memory struct {
	// Visibility is how long a received message is hidden; 0 means 30 s.
	Visibility time.Duration
	// Random, if set, shuffles the messages and draws the following faults.
	Random *rand.Rand
	// Lose and Repeat are how many of 1000 messages are lost, and delivered twice.
	Lose, Repeat int
	// Delay is the longest delay of a message.
	Delay time.Duration
	// Fault, if set, may fail each operation, "receive" or "delete". It is called without a
	// lock.
	Fault func(operation string) error

	mu       sync.Mutex
	messages []*stored
	receipts int
	sent     chan struct{} // closed by the next Send
}

// stored is a message in the queue.
type stored struct {
	queue.Message
	visible time.Time // the time from which Receive returns it
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

// Len returns how many messages the queue contains, hidden ones included.
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

// take hides and returns the visible messages. If there are none, the caller should try again
// when sent is closed or at next, which is at most end.
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
			s.Receipt = fmt.Sprint(m.receipts) // invalidates the older one
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
