package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"jpmovies/internal/queue"
)

// Harness is a new queue.
type Harness struct {
	Queue queue.Queue
	// Visibility is the queue's visibility timeout, in whole seconds and at most 10 s. On a
	// real clock it must be long enough for the suite to receive and delete 25 messages.
	Visibility time.Duration
	// Late is by how much an answer may be late: 0 in a synctest bubble. On a real clock it is
	// only less than the longest wait, because the machine may be slow.
	Late time.Duration
	Send func(t *testing.T, body string)
}

const (
	longest = 20 * time.Second       // the longest wait of queue.Queue
	soon    = 300 * time.Millisecond // after which something ends a wait
)

// Run checks that a queue keeps the contract of queue.Queue. For each test it calls with, which
// calls the test with a queue, in a synctest bubble if the queue is in memory.
func Run(t *testing.T, with func(t *testing.T, test func(*testing.T, Harness))) {
	for name, test := range map[string]func(*testing.T, Harness){
		"a deleted message does not come again":     testDelete,
		"a message that is not deleted comes again": testVisibility,
		"an empty queue is no error":                testEmpty,
		"the wait ends with the first message":      testWait,
		"the wait ends with its context":            testInterrupt,
	} {
		t.Run(name, func(t *testing.T) { with(t, test) })
	}
}

func (h Harness) receive(t *testing.T, wait time.Duration) []queue.Message {
	t.Helper()
	messages, err := h.Queue.Receive(t.Context(), wait)
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) > queue.MaxMessages {
		t.Errorf("%d messages in one answer", len(messages))
	}
	return messages
}

func testDelete(t *testing.T, h Harness) {
	want := make(map[string]bool)
	for i := range 25 {
		body := fmt.Sprintf(`{"<&>": "%d é"}`, i)
		h.Send(t, body)
		want[body] = true
	}
	var all []queue.Message
	for len(all) < 25 {
		some := h.receive(t, longest)
		if len(some) == 0 {
			t.Fatalf("%d messages, want 25", len(all))
		}
		all = append(all, some...)
	}
	for _, m := range all {
		if !want[m.Body] {
			t.Errorf("body %q, or twice", m.Body)
		}
		delete(want, m.Body)
	}
	if err := h.Queue.Delete(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	// Each message would be visible again within this wait.
	if left := h.receive(t, h.Visibility+time.Second); len(left) > 0 {
		t.Errorf("%d deleted messages are delivered again", len(left))
	}
}

func testVisibility(t *testing.T, h Harness) {
	h.Send(t, "a")
	first := h.receive(t, longest)
	if hidden := h.receive(t, 0); len(first) != 1 || len(hidden) > 0 {
		t.Errorf("%d messages, and then %d", len(first), len(hidden))
	}
	again := h.receive(t, longest)
	if len(again) != 1 || again[0].Body != "a" {
		t.Errorf("%v is delivered again", again)
	}
}

func testEmpty(t *testing.T, h Harness) {
	if messages := h.receive(t, 0); len(messages) > 0 {
		t.Errorf("%d messages", len(messages))
	}
	if err := h.Queue.Delete(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func testWait(t *testing.T, h Harness) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		time.Sleep(soon) // so that the wait has begun
		h.Send(t, "a")
	}()
	start := time.Now()
	messages := h.receive(t, longest)
	if took := time.Since(start); len(messages) != 1 || took > soon+h.Late {
		t.Errorf("%v after %s", messages, took)
	}
	<-sent
}

func testInterrupt(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	start := time.Now()
	_, err := h.Queue.Receive(ctx, longest)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > soon+h.Late {
		t.Errorf("%v after %s", err, took)
	}
}
