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

// The kinds of a worker's steps.
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
	random     *rand.Rand // for properties of this life
	cancel     context.CancelFunc
	killed     chan struct{}

	// Guarded by the simulation's lock.
	dead     bool
	times    map[stepName]int // how often each step was made
	receives map[string]bool  // in flight
	proven   bool             // conditional deletes are proven
}

// stepName distinguishes a step from others in flight: by its object or its batch.
type stepName struct {
	kind int
	key  string
}

func (p *process) String() string { return fmt.Sprintf("w%d.%d", p.seat, p.life) }

// errKilled is the error of every step of a killed process.
var errKilled = errors.New("killed")

// kill ends the process at once: none of its later steps has an effect. The caller holds the
// lock.
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

// ended returns an error if the process is killed or ctx is done.
func (p *process) ended(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endedLocked(ctx)
}

// outcome is the outcome of a step.
type outcome int

const (
	fine       outcome = iota
	notApplied         // nothing is applied, and the worker gets an error
	answerLost         // the step is applied, and the worker gets an error
	late               // the worker gets an error, and the step is applied later
	broken             // the step fails in its middle
	killBefore
	killAfter
)

var outcomeNames = []string{"ok", "not applied", "applied, answer lost", "applied later", "broken", "killed before", "killed after"}

// fate holds everything that is drawn for a step.
type fate struct {
	outcome     outcome
	random      *rand.Rand
	there, back time.Duration // of the request and of the response
	orphan      bool          // the request is applied though its sender has gone
	lateBy      time.Duration
	statement   int // of a broken transaction: the one that fails
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
		f.there += between(r, 0, 2*time.Second) // the pause between passes, which the worker would draw without the seed
	}
	f.outcome = p.plan.rates[name.kind].draw(r)
	if p.calm {
		f.outcome = fine
		return f
	}
	if hangs {
		f.there += between(r, 5*time.Second, 40*time.Second)
	}
	return f
}

func (n rates) draw(r *rand.Rand) outcome {
	x := r.IntN(1000)
	for v, rate := range []int{notApplied: n.fail, answerLost: n.lost, late: n.late, broken: n.broken, killBefore: n.crash, killAfter: n.crash} {
		if x < rate {
			return outcome(v)
		}
		x -= rate
	}
	return fine
}

// step makes one step: the request travels, is applied or not, and the response travels back or
// is lost. The effect runs under the lock at an instant of its own, and returns the response.
func (p *process) step(ctx context.Context, kind int, key string, effect func(fate) error) error {
	if err := p.ended(ctx); err != nil {
		return err
	}
	f := p.drawFate(stepName{kind, key})
	own := p.slot(kind, key)
	p.wait(own, f.there)
	if err := p.takeEffect(ctx, kind, key, f, effect); err != nil {
		return err
	}
	p.wait(own, f.back)
	return p.ended(ctx)
}

// slot returns the slot of a step. Steps of one kind that a worker makes at a time have different
// keys: those of their objects, the digests of batches, and the numbers of receives.
func (p *process) slot(kind int, key string) slot {
	lane := 1 + slices.Index(p.plan.keys, key)
	switch {
	case kind == kindReceive:
		lane = len(key)
	case lane == 0 && key != "": // a digest, or a key as a message encodes it
		others := 1 + len(p.plan.keys)
		h := fnv.New32a()
		_, _ = io.WriteString(h, key) // never fails
		lane = others + int(h.Sum32()%uint32(keys-others))
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
	if err := p.endedLocked(ctx); err != nil {
		if f.orphan {
			p.noteLocked(p.String(), fmt.Sprint(what, ": applied after its sender has gone: ", said(effect(f))))
		}
		return err
	}
	if p.calm { // it was drawn before the calm
		f.outcome = fine
	}
	if f.outcome != fine {
		p.stats.faults++
	}
	switch f.outcome {
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
	p.noteLocked(p.String(), fmt.Sprint(what, ": ", outcomeNames[f.outcome], ": ", said(err)))
	switch f.outcome {
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

// endedLocked is ended for callers that hold the lock.
func (p *process) endedLocked(ctx context.Context) error {
	if p.dead {
		return errKilled
	}
	return ctx.Err()
}
