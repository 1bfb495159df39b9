package simulation

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/queue"
	"jpmovies/internal/queue/queuetest"
	"jpmovies/internal/worker"
)

// hintPlan holds the properties of the queue, drawn from the seed.
type hintPlan struct {
	on        bool
	reconcile time.Duration
	copies    int // of each message; with many, answers are full and workers receive concurrently
}

const queuedBucket = "films"

// openQueue draws the properties of the queue from a stream of its own, so that runs without a
// queue do not depend on them.
func (s *simulation) openQueue() {
	r := s.draw("queue")
	s.plan.hints = hintPlan{on: r.IntN(2) == 0, reconcile: pick(r, time.Second, 5*time.Second, 20*time.Second, time.Minute)}
	s.queue = queuetest.Memory{
		Visibility: pick(r, time.Second, 5*time.Second, 30*time.Second), Random: r,
		Lose: pick(r, 0, 50, 300), Repeat: pick(r, 0, 50, 300), Delay: pick(r, 0, time.Second, 20*time.Second),
	}
	s.told = make(map[string][]announced)
	for _, kind := range []int{kindReceive, kindForget} {
		s.plan.rates[kind] = rates{fail: pick(r, 0, 20, 200), lost: pick(r, 0, 20, 200), crash: pick(r, 0, 0, 5, 20)}
	}
	s.plan.rates[kindForget].late = pick(r, 0, 50)
	s.plan.hints.copies = pick(r, 1, 1, 4, 20)
}

// announced is a generation that a message names.
type announced struct {
	key    string
	number int
}

// announce sends a message about a new generation; some messages name several. The caller holds
// the lock.
func (p *producer) announce(o bucket.Object, number int) {
	if !p.plan.hints.on {
		return
	}
	p.untold = append(p.untold, announced{o.Key, number})
	p.events = append(p.events, fmt.Sprintf(`{"eventName": "ObjectCreated:Put", "eventTime": %q, "s3": {"bucket": {"name": %q}, `+
		`"object": {"key": %q, "size": %d, "sequencer": "%d"}}}`,
		o.LastModified.UTC().Format(time.RFC3339), queuedBucket, url.QueryEscape(o.Key), o.Size, number))
	r := p.draw("tell", number)
	if r.IntN(4) == 0 {
		return // with the next one, or never
	}
	body := `{"Records": [` + strings.Join(p.events, ",") + `]}`
	p.told[body] = p.untold
	p.untold, p.events = nil, nil
	for range p.plan.hints.copies {
		p.queue.Send(body)
	}
	if r.IntN(10) == 0 {
		p.queue.Send(pick(r, `{"Event": "s3:TestEvent"}`, "no JSON", strings.ReplaceAll(body, queuedBucket, "others")))
	}
}

// hints configures the queue of a worker.
func (p *process) hints() worker.Hints {
	if !p.plan.hints.on {
		return worker.Hints{}
	}
	return worker.Hints{Queue: processQueue{p}, Scope: queue.Scope{Bucket: queuedBucket}, Reconcile: p.plan.hints.reconcile}
}

// processQueue is the queue of one process. Its steps may fail.
type processQueue struct{ *process }

var _ queue.Queue = processQueue{}

// Receive returns the messages that are there; the step draws the wait. Receives in flight have
// numbers, which the seed does not decide, but they are interchangeable.
func (q processQueue) Receive(ctx context.Context, _ time.Duration) (messages []queue.Message, err error) {
	number := ""
	q.locked(func() {
		for q.receives[number] {
			number += "+"
		}
		q.receives[number] = true
		if number != "" {
			q.stats.beside++
		}
	})
	defer q.locked(func() { delete(q.receives, number) })
	err = q.step(ctx, kindReceive, number, func(fate) (err error) {
		messages, err = q.queue.Receive(context.Background(), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return messages, nil
}

// Delete deletes messages and checks that the generations they name are gone.
func (q processQueue) Delete(ctx context.Context, messages []queue.Message) error {
	return q.step(ctx, kindForget, "", func(fate) error {
		for _, m := range messages {
			for _, named := range q.told[m.Body] {
				if g := q.ledger.there[named.key]; g != nil && g.number == named.number && !bucket.Ignored(bucket.Object{Ref: g.Ref, Size: int64(len(g.body))}) {
					q.failLocked("%s deletes the message of %q, generation %d, which is still in the bucket", q.process, named.key, named.number)
				}
			}
		}
		return q.queue.Delete(context.Background(), messages)
	})
}
