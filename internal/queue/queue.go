// Package queue defines the contract of a queue whose messages name new objects: the worker
// receives messages, reads their events and deletes them. It contains no SDK.
//
// Messages are hints: they may be lost, late, repeated and in any order.
package queue

import (
	"context"
	"errors"
	"time"
)

// MaxMessages is the number of messages that one Receive returns at most (ReceiveMessage,
// MaxNumberOfMessages).
const MaxMessages = 10

// ErrSome is returned when the queue answered, and refused to delete some of the messages.
var ErrSome = errors.New("some messages were not deleted")

// Message is a received message.
type Message struct {
	// Receipt names this delivery of the message (DeleteMessageBatch, ReceiptHandle).
	Receipt string
	Body    string
}

// Queue delivers messages. Implementations are safe for concurrent use by goroutines and by
// processes.
//
// A received message is hidden from other receivers for the queue's visibility timeout. If it
// is not deleted by then, it is delivered again.
type Queue interface {
	// Receive returns up to MaxMessages messages. It waits up to wait for the first of them:
	// whole seconds, at most 20; 0 may count as 1. Without a message it returns no error. It
	// returns at once when ctx is done.
	Receive(ctx context.Context, wait time.Duration) ([]Message, error)

	// Delete deletes any number of messages. After an error, each of them may be delivered
	// again; after ErrSome, some of them.
	Delete(ctx context.Context, messages []Message) error
}
