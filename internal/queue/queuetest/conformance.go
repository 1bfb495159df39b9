package queuetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"jpmovies/internal/queue"
)

// Harness is a new queue with a visibility timeout of one second.
type Harness struct {
	Queue queue.Queue
	Send  func(t *testing.T, body string)
}

// Run checks that a queue keeps the contract of queue.Queue. It calls open for each test.
func Run(t *testing.T, open func(*testing.T) Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"a deleted message does not come again":     testDelete,
		"a message that is not deleted comes again": testVisibility,
		"an empty queue is no error":                testEmpty,
		"the wait ends with the first message":      testWait,
		"the wait ends with its context":            testInterrupt,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
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
		some := h.receive(t, time.Second)
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
	time.Sleep(1100 * time.Millisecond)
	if left := h.receive(t, time.Second); len(left) > 0 {
		t.Errorf("%d deleted messages are delivered again", len(left))
	}
}

func testVisibility(t *testing.T, h Harness) {
	h.Send(t, "a")
	first := h.receive(t, time.Second)
	if hidden := h.receive(t, 0); len(first) != 1 || len(hidden) > 0 {
		t.Errorf("%d messages, and then %d", len(first), len(hidden))
	}
	again := h.receive(t, 5*time.Second)
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
		time.Sleep(300 * time.Millisecond)
		h.Send(t, "a")
	}()
	start := time.Now()
	messages := h.receive(t, 20*time.Second)
	if took := time.Since(start); len(messages) != 1 || took > 10*time.Second {
		t.Errorf("%v after %s", messages, took)
	}
	<-sent
}

func testInterrupt(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := h.Queue.Receive(ctx, 20*time.Second)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}
