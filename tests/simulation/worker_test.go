package simulation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"jpmovies/internal/worker"
)

// seat runs one worker after the other, as Kubernetes would: when a process ends, the next one
// starts.
func (s *simulation) seat(ctx context.Context, seat int, stop <-chan struct{}) {
	var lives sync.WaitGroup // a killed process takes a while to end
	defer lives.Wait()
	for life := 0; !closed(stop); life++ {
		p := s.newProcess(seat, life)
		select {
		case <-p.live(ctx, &lives):
		case <-p.killed:
		case <-stop:
			p.cancel()
			return
		}
		s.wait(p.slot(kindPrepare, ""), between(p.random, time.Millisecond, 3*time.Second))
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *simulation) newProcess(seat, life int) *process {
	return &process{
		simulation: s, seat: seat, life: life, random: s.draw("process", seat, life),
		killed: make(chan struct{}), times: make(map[stepName]int), receives: make(map[string]bool),
	}
}

// live starts the process and a signal that may end it. It returns a channel that is closed
// when the process has ended.
func (p *process) live(ctx context.Context, lives *sync.WaitGroup) <-chan struct{} {
	ctx, p.cancel = context.WithCancel(ctx)
	ended := make(chan struct{})
	own := p.plan.seats[p.seat%len(p.plan.seats)]
	w, once := p.newWorker(worker.Shard{Index: own.i, Count: own.n}), p.random.IntN(4) == 0
	lives.Go(func() {
		if once {
			_ = w.Once(ctx) // the next life reads what an error leaves
		} else {
			_ = w.Run(ctx)
		}
		close(ended)
	})
	if p.plan.life > 0 {
		lives.Go(func() { p.signal(ended) })
	}
	return ended
}

// signal ends a process at some moment, like kill -9 or like SIGTERM.
func (p *process) signal(ended <-chan struct{}) {
	r := p.draw("signal", p.seat, p.life)
	after, hard := between(r, 0, p.plan.life), r.IntN(3) > 0
	p.wait(p.slot(kindPrepare, p.plan.keys[0]), after)
	if closed(ended) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.calm || p.dead:
	case hard:
		p.kill()
	default:
		p.noteLocked(p.String(), "SIGTERM")
		p.cancel()
	}
}

// newWorker returns a real worker. It has no pauses of its own, because it would draw them
// without the seed; the store's steps have pauses instead.
func (p *process) newWorker(shard worker.Shard) *worker.Worker {
	choose := func(values ...int) int { return pick(p.random, values...) }
	return worker.New(worker.Options{
		Store: processStore{p}, Catalogue: processCatalogue{p}, Status: processCatalogue{p}, Housekeeping: processCatalogue{p},
		Prepare:     func(ctx context.Context) error { return p.step(ctx, kindPrepare, "", func(fate) error { return nil }) },
		Prove:       p.prove,
		Concurrency: choose(1, 2, 3, 8, 40), Batch: choose(1, 2, 5, 20, 70, 500),
		Shard:           shard,
		Hints:           p.hints(),
		ShutdownTimeout: time.Duration(choose(1, 300, 20_000)) * time.Millisecond,
		KeepRejections:  30 * 24 * time.Hour, KeepChanges: 30 * 24 * time.Hour,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// prove ends at once: deletes that wait for it would all begin at one instant, in an order that
// the seed does not decide.
func (p *process) prove(context.Context) error {
	p.locked(func() { p.proven = true })
	return nil
}

// checkOnce runs a last worker, without shard and faults: it must find nothing to do and report
// no error.
func (s *simulation) checkOnce(ctx context.Context) {
	p := s.newProcess(len(s.plan.seats), 0)
	ctx, p.cancel = context.WithCancel(ctx)
	defer p.cancel()
	if err := p.newWorker(worker.Shard{}).Once(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.fail("the last worker fails: %v", err)
	}
}
