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

// hintPlan is what the seed has in store for the queue, if there is one.
type hintPlan struct {
	on        bool
	reconcile time.Duration
	copies    int // of each message; many, so that answers come full and workers ask side by side
}

const queuedBucket = "films"

// openQueue draws what the queue is like. Its stream is its own, so that seeds
// without a queue do not change with it.
func (s *simulation) openQueue() {
	r := s.draw("queue")
	s.plan.hints = hintPlan{on: r.IntN(2) == 0, reconcile: pick(r, time.Second, 5*time.Second, 20*time.Second, time.Minute)}
	s.queue = queuetest.Memory{
		Visibility: pick(r, time.Second, 5*time.Second, 30*time.Second), Random: r,
		Lose: pick(r, 0, 50, 300), Repeat: pick(r, 0, 50, 300), Delay: pick(r, 0, time.Second, 20*time.Second),
	}
	s.told = make(map[string][]told)
	for _, kind := range []int{kindReceive, kindForget} {
		s.plan.rates[kind] = rates{fail: pick(r, 0, 20, 200), lost: pick(r, 0, 20, 200), crash: pick(r, 0, 0, 5, 20)}
	}
	s.plan.rates[kindForget].late = pick(r, 0, 50)
	s.plan.hints.copies = pick(r, 1, 1, 4, 20)
}

// told is a generation of an object that a message tells of.
type told struct {
	key    string
	number int
}

// tell sends a message about what was put, now and then one for two objects. The
// caller holds the lock.
func (p *producer) tell(o bucket.Object, number int) {
	if !p.plan.hints.on {
		return
	}
	p.untold = append(p.untold, told{o.Key, number})
	p.events = append(p.events, fmt.Sprintf(`{"eventName": "ObjectCreated:Put", "eventTime": %q, "s3": {"bucket": {"name": %q}, `+
		`"object": {"key": %q, "size": %d, "sequencer": "%d"}}}`,
		o.LastModified.UTC().Format(time.RFC3339), queuedBucket, url.QueryEscape(o.Key), o.Size, number))
	r := p.draw("tell", number)
	if r.IntN(4) == 0 {
		return // together with the next one, or never
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

// hints are what a worker is told of the queue.
func (p *process) hints() worker.Hints {
	if !p.plan.hints.on {
		return worker.Hints{}
	}
	return worker.Hints{Queue: hintQueue{p}, Scope: queue.Scope{Bucket: queuedBucket}, Reconcile: p.plan.hints.reconcile}
}

// hintQueue is the queue as one process sees it.
type hintQueue struct{ *process }

var _ queue.Queue = hintQueue{}

// Receive takes what is there; the wait is drawn with the step. Those that are under
// way side by side have numbers, which no seed decides, but one is as good as another.
func (q hintQueue) Receive(ctx context.Context, _ time.Duration) (messages []queue.Message, err error) {
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

// Delete is where a message goes: what it tells of must be settled.
func (q hintQueue) Delete(ctx context.Context, messages []queue.Message) error {
	return q.step(ctx, kindForget, "", func(fate) error {
		for _, m := range messages {
			for _, of := range q.told[m.Body] {
				if g := q.ledger.there[of.key]; g != nil && g.number == of.number && !bucket.Ignored(bucket.Object{Ref: g.Ref, Size: int64(len(g.body))}) {
					q.failLocked("%s deletes the message of %q, generation %d, which is still there", q.process, of.key, of.number)
				}
			}
		}
		return q.queue.Delete(context.Background(), messages)
	})
}
