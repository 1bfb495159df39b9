package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// Kinds of a worker's steps.
const (
	kindList = iota
	kindGet
	kindRead
	kindApply
	kindReport
	kindDelete
	kindDeleteKey
	kindPrepare
	kindReceive
	kindForget
)

var kindNames = [kinds]string{"list", "get", "read", "apply", "report", "delete", "delete key", "prepare", "receive", "forget"}

// process is one life of a worker, from its start to its end or its kill.
type process struct {
	*simulation
	seat, life int
	random     *rand.Rand // of what is drawn once a life
	cancel     context.CancelFunc
	killed     chan struct{}
	dead       bool             // under the lock
	times      map[stepName]int // how often each step was made, under the lock
	receives   map[string]bool  // those under way, under the lock
	proven     bool             // that deletes are conditional, under the lock
}

// stepName is what tells a step from those that may be under way beside it: of
// one object, or of one batch.
type stepName struct {
	kind int
	key  string
}

func (p *process) String() string { return fmt.Sprintf("w%d.%d", p.seat, p.life) }

// errKilled is what a process hears that is no more.
var errKilled = errors.New("killed")

// kill ends the process at once: from now on, nothing that it does has an
// effect. The caller holds the lock.
func (p *process) kill() {
	if p.dead {
		return
	}
	p.dead = true
	p.stats.kills++
	p.noteLocked(p.String(), "KILLED")
	close(p.killed)
	p.cancel()
}

// away tells whether a step is not even begun.
func (p *process) away(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errKilled
	}
	return ctx.Err()
}

// verdict is what is to become of a step.
type verdict int

const (
	fine       verdict = iota
	notApplied         // nothing was done, and the worker is told so
	answerLost         // it was done, and the worker hears of a failure
	late               // likewise, and it is done after the worker has heard
	broken             // it fails in its middle
	killBefore
	killAfter
)

var verdictNames = []string{"ok", "not applied", "applied, answer lost", "applied later", "broken", "killed before", "killed after"}

// fate is all that was drawn for a step.
type fate struct {
	verdict
	random      *rand.Rand
	there, back time.Duration
	orphan      bool // the request still takes effect though nobody waits for it any more
	lateBy      time.Duration
	statement   int // the one that fails, of a transaction that breaks
	err         error
}

func (p *process) drawFate(name stepName) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times[name]++
	r := p.draw("step", p.seat, p.life, name.kind, name.key, p.times[name])
	f := fate{random: r, there: between(r, time.Millisecond, 200*time.Millisecond), back: between(r, 0, 100*time.Millisecond)}
	f.orphan, f.lateBy, f.statement, f.err = r.IntN(2) == 0, between(r, 0, 3*time.Second), 1+r.IntN(8), fault(r)
	hangs := r.IntN(300) == 0
	if name.kind == kindList || name.kind == kindReceive {
		f.there += between(r, 0, 2*time.Second) // the pause between passes, which the worker itself would draw without a seed
	}
	f.verdict = p.plan.rates[name.kind].draw(r)
	if p.calm {
		f.verdict = fine
		return f
	}
	if hangs {
		f.there += between(r, 5*time.Second, 40*time.Second)
	}
	return f
}

func (n rates) draw(r *rand.Rand) verdict {
	x := r.IntN(1000)
	for v, rate := range []int{notApplied: n.fail, answerLost: n.lost, late: n.late, broken: n.broken, killBefore: n.crash, killAfter: n.crash} {
		if x < rate {
			return verdict(v)
		}
		x -= rate
	}
	return fine
}

// step makes one step: the request travels, takes effect or not, and the answer
// travels back or gets lost. The effect runs under the lock, at an instant of
// its own; what it returns is the answer.
func (p *process) step(ctx context.Context, kind int, key string, effect func(fate) error) error {
	if err := p.away(ctx); err != nil {
		return err
	}
	f := p.drawFate(stepName{kind, key})
	own := p.slot(kind, key)
	p.wait(own, f.there)
	if err := p.takeEffect(ctx, kind, key, f, effect); err != nil {
		return err
	}
	p.wait(own, f.back)
	return p.away(ctx)
}

// slot is the step's share of time. A worker commits two batches at a time; their
// digests, which are their keys, give them different ones. So do the keys of receives.
func (p *process) slot(kind int, key string) slot {
	lane := 1 + slices.Index(p.plan.keys, key)
	switch kind {
	case kindApply:
		h := fnv.New32a()
		_, _ = io.WriteString(h, key) // never fails
		lane = int(h.Sum32() % keys)
	case kindReceive:
		lane = len(key)
	}
	return slot{p.seat, p.life, kind, lane}
}

func (p *process) takeEffect(ctx context.Context, kind int, key string, f fate, effect func(fate) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := kindNames[kind]
	if key != "" {
		what += " " + key
	}
	if gone := p.gone(ctx); gone != nil {
		if f.orphan {
			p.noteLocked(p.String(), fmt.Sprint(what, ": takes effect after its sender has gone: ", said(effect(f))))
		}
		return gone
	}
	if p.calm { // it was drawn in worse times
		f.verdict = fine
	}
	if f.verdict != fine {
		p.stats.faults++
	}
	switch f.verdict {
	case notApplied:
		p.noteLocked(p.String(), what+": not applied")
		return f.err
	case killBefore:
		p.kill()
		return errKilled
	case late:
		p.noteLocked(p.String(), what+": lost, applied later")
		p.late.Go(func() {
			p.wait(slot{actorLate, p.life, p.seat, kind}, f.lateBy)
			p.locked(func() { p.noteLocked(p.String(), fmt.Sprint(what, ": late: ", said(effect(f)))) })
		})
		return f.err
	}
	err := effect(f)
	p.noteLocked(p.String(), fmt.Sprint(what, ": ", verdictNames[f.verdict], ": ", said(err)))
	switch f.verdict {
	case answerLost:
		return f.err
	case killAfter:
		p.kill()
		return errKilled
	}
	return err
}

func said(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

func (p *process) gone(ctx context.Context) error {
	if p.dead {
		return errKilled
	}
	return ctx.Err()
}
