package queuetest_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/queue/queuetest"
)

func TestMemoryConforms(t *testing.T) {
	queuetest.Run(t, func(t *testing.T, test func(*testing.T, queuetest.Harness)) {
		synctest.Test(t, func(t *testing.T) {
			m := &queuetest.Memory{Visibility: 5 * time.Second}
			test(t, queuetest.Harness{Queue: m, Visibility: m.Visibility, Send: func(_ *testing.T, body string) { m.Send(body) }})
		})
	})
}

// TestMemoryFaults: messages are lost, repeated, late and out of order.
func TestMemoryFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &queuetest.Memory{Random: rand.New(rand.NewPCG(1, 1)), Lose: 100, Repeat: 100, Delay: time.Minute}
		const sent = 1000
		for i := range sent {
			m.Send(strconv.Itoa(i))
		}
		times, late := make(map[string]int), 0
		var order []string
		for start := time.Now(); m.Len() > 0; {
			messages, err := m.Receive(t.Context(), 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range messages {
				times[message.Body]++
				order = append(order, message.Body)
			}
			if time.Since(start) > 30*time.Second {
				late += len(messages)
			}
			if err := m.Delete(t.Context(), messages); err != nil {
				t.Fatal(err)
			}
		}
		twice := 0
		for _, n := range times {
			twice += n - 1
		}
		if lost := sent - len(times); lost < 50 || twice < 50 || late < 300 || slices.IsSorted(order) {
			t.Errorf("of %d messages %d are lost, %d delivered twice, %d late, in order: %t", sent, lost, twice, late, slices.IsSorted(order))
		}
	})
}
