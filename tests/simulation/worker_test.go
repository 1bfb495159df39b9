package simulation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"jpmovies/internal/worker"
)

// seat keeps one worker alive, as Kubernetes would: when its process ends,
// another one starts.
func (s *simulation) seat(ctx context.Context, seat int, stop <-chan struct{}) {
	var lives sync.WaitGroup // killed ones take a while to notice
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

// live starts the process, and a signal that may hit it; the channel is closed
// when it has ended.
func (p *process) live(ctx context.Context, lives *sync.WaitGroup) <-chan struct{} {
	ctx, p.cancel = context.WithCancel(ctx)
	ended := make(chan struct{})
	own := p.plan.seats[p.seat%len(p.plan.seats)]
	w, once := p.newWorker(worker.Shard{Index: own.i, Count: own.n}), p.random.IntN(4) == 0
	lives.Go(func() {
		if once {
			_ = w.Once(ctx) // an error says what is left, and the next life takes it
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

// signal hits a process at some moment, as a kill -9 or as a SIGTERM.
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

// newWorker is the real worker. Without pauses of its own, because it draws
// them where no seed reaches; the store takes them instead.
func (p *process) newWorker(shard worker.Shard) *worker.Worker {
	choose := func(of ...int) int { return of[p.random.IntN(len(of))] }
	return worker.New(worker.Options{
		Store: store{p}, Catalogue: processCatalogue{p}, Status: processCatalogue{p}, Housekeeping: processCatalogue{p},
		Prepare:     func(ctx context.Context) error { return p.step(ctx, kindPrepare, "", func(fate) error { return nil }) },
		Prove:       p.prove,
		Concurrency: choose(1, 2, 3, 8), Batch: choose(1, 2, 5, 20, 70, 500),
		Shard:           shard,
		Hints:           p.hints(),
		ShutdownTimeout: time.Duration(choose(1, 300, 20_000)) * time.Millisecond,
		KeepRejections:  30 * 24 * time.Hour, KeepChanges: 30 * 24 * time.Hour,
		Logger: slog.New(slog.DiscardHandler),
	})
}

// prove finds out how to delete, at once: deletes that had waited for it would begin at one
// instant, in an order that no seed draws.
func (p *process) prove(context.Context) error {
	p.locked(func() { p.proven = true })
	return nil
}

// checkOnce asks a last worker, without shard and without faults: it must find
// nothing to do and say so.
func (s *simulation) checkOnce(ctx context.Context) {
	p := s.newProcess(len(s.plan.seats), 0)
	ctx, p.cancel = context.WithCancel(ctx)
	defer p.cancel()
	if err := p.newWorker(worker.Shard{}).Once(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.fail("a last worker says: %v", err)
	}
}
