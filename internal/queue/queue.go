// Package queue is the written contract of a queue that tells of new objects, as
// the worker needs it: receive, and delete what is settled. It holds no SDK.
//
// What a queue says is a hint and no more: messages may be lost, late, repeated
// and in any order.
package queue

import (
	"context"
	"time"
)

// MaxMessages is how many messages one Receive returns at most.
const MaxMessages = 10

// Message is one message that was received.
type Message struct {
	// Receipt names this delivery of the message, for Delete.
	Receipt string
	Body    string
}

// Queue is where messages come from. Implementations are safe for use by
// several goroutines and by several processes at once.
//
// A message that was received is hidden from others for a while, the queue's
// visibility timeout. If it is not deleted by then, it comes again.
type Queue interface {
	// Receive returns messages, at most MaxMessages. It waits for the first of them
	// as long as wait says, whole seconds and at most 20; none is no error. It
	// returns at once when ctx is done.
	Receive(ctx context.Context, wait time.Duration) ([]Message, error)

	// Delete deletes messages, any number of them. After an error, each of them may
	// come again or not.
	Delete(ctx context.Context, messages []Message) error
}
