package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/queue/queuetest"
)

// simulation is one run. Its lock is held while an effect happens, and never while time passes.
type simulation struct {
	seed  uint64
	plan  plan
	file  string
	start time.Time

	mu       sync.Mutex
	memory   buckettest.Memory
	queue    queuetest.Memory
	told     map[string][]announced // by the body of each message
	listings [][]bucket.Object      // the bucket's content after each change
	engine   *database.DB
	db       *catalogue.Catalogue
	raw      *sql.DB
	mirror   mirror
	ledger   *ledger
	ahead    int                    // years by which the bucket's clock is ahead
	breaking int                    // the statement of the current transaction that fails; 0 for none
	awaited  map[time.Duration]bool // the ends of waits
	calm     bool                   // nothing fails from now on
	trace    []string
	failures []string
	tables   []string // the database's content at the end
	stats    struct {
		commits, faults, kills int
		beside                 int // receives that began while others were in flight
		differs                bool
	}

	late sync.WaitGroup // effects that happen after their response
}

// run plays the seed in a synctest bubble:
//
//  1. Producers write while workers and a reader run, and steps fail.
//  2. After a while nothing fails any more, and the workers empty the bucket.
//  3. A last worker must find nothing to do, and all tables are compared with the ledger.
func (s *simulation) run(ctx context.Context) {
	s.start = time.Now()
	s.open(ctx)
	s.prepareBucket()
	producers, stop := s.produce(), make(chan struct{})
	var others sync.WaitGroup
	for i := range s.plan.seats {
		others.Go(func() { s.seat(ctx, i, stop) })
	}
	others.Go(func() { s.read(ctx, stop) })
	producers.Wait()
	s.wait(slot{actor: actorMain}, s.plan.aftermath)
	s.note("calm", "")
	s.locked(func() { s.calm = true })
	s.late.Wait()
	s.awaitDrained()
	close(stop)
	others.Wait()
	s.checkOnce(ctx)
	s.checkEnd(ctx)
	s.close()
}

// awaitDrained waits until the workers have emptied the bucket.
func (s *simulation) awaitDrained() {
	const patience = 10 * time.Minute
	for begin := time.Now(); time.Since(begin) < patience; {
		s.wait(slot{actor: actorMain}, time.Second)
		if len(s.waiting()) == 0 {
			return
		}
	}
	s.fail("after %s without faults the bucket still holds %q", patience, s.waiting())
}

// waiting returns the keys of the objects that a worker should take.
func (s *simulation) waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, o := range s.objects() {
		if !bucket.Ignored(o) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

func (s *simulation) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// fail records a failure of the system under test.
func (s *simulation) fail(format string, args ...any) {
	s.locked(func() { s.failLocked(format, args...) })
}

func (s *simulation) failLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.failures = append(s.failures, text)
	s.noteLocked("FAILURE", text)
}

// note appends a line to the trace.
func (s *simulation) note(who, what string) { s.locked(func() { s.noteLocked(who, what) }) }

func (s *simulation) noteLocked(who, what string) {
	s.trace = append(s.trace, fmt.Sprintf("%12.6f %-6s %s", time.Since(s.start).Seconds(), who, what))
}

// draw returns the random stream of one step, which name identifies.
func (s *simulation) draw(name ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, name...) // never fails
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// The actors, numbered behind the seats of the workers.
const (
	actorMain = iota + 8
	actorReader
	actorLate
	actorProducers
	actors = actorProducers + 5
)

// slot is the instant of each period that belongs to one kind of step of one actor.
type slot struct {
	actor, life, kind, key int
}

const (
	lives  = 4 // steps of a killed process may be in flight while the next one lives
	kinds  = 10
	keys   = 60
	period = 1 << 18 // ns
)

// A worker's own timers (100 ms for batches, 1 s for messages and deletes) start at the instant
// of a step. Modulo the period they fire 123,136 and 182,784 ns later, which is no actor's slot
// as long as there are fewer slots than that.
var _ = [1]struct{}{}[actors*lives*kinds*keys/40000]

func (s slot) number() int {
	return ((s.actor*lives+s.life%lives)*kinds+s.kind)*keys + s.key
}

// wait lets time pass until an instant of the slot that nothing else waits for: otherwise the
// scheduler, and not the seed, would decide what happens first. It still decides for waits of
// one slot that begin at one instant, which is why steps have keys.
func (s *simulation) wait(own slot, d time.Duration) {
	now := time.Since(s.start)
	end := (now + d).Truncate(period) + time.Duration(own.number())
	s.locked(func() {
		for end <= now || s.awaited[end] {
			end += period
		}
		s.awaited[end] = true
	})
	time.Sleep(end - now)
	s.locked(func() { delete(s.awaited, end) })
}

// between draws a duration; short ones are more frequent.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	x := r.Float64()
	return from + time.Duration(x*x*float64(to-from))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// open opens the copy of the migrated database.
func (s *simulation) open(ctx context.Context) {
	var err error
	s.engine, err = database.Open(database.Options{File: s.file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	s.db = catalogue.New(s.engine)
	s.raw, err = sql.Open("sqlite", "file:"+s.file)
	if err != nil {
		panic(err)
	}
	s.raw.SetMaxOpenConns(1)
	if _, err := s.raw.ExecContext(ctx, "INSERT INTO simulation (number) VALUES (?)", int64(s.seed)); err != nil {
		panic(err)
	}
}

func (s *simulation) close() {
	if err := errors.Join(s.engine.Close(), s.raw.Close()); err != nil {
		s.fail("close: %v", err)
	}
}

// errFault is the error of a failed step. fault often wraps it as a body that ended too early.
var errFault = errors.New("fault")

func fault(r *rand.Rand) error {
	if r.IntN(2) == 0 {
		return fmt.Errorf("%w: %w", errFault, io.ErrUnexpectedEOF)
	}
	return errFault
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := &simulation{seed: seed, ledger: newLedger(), file: copyTemplate(t)}
	s.plan = newPlan(s)
	s.openQueue()
	s.memory.Now = func() time.Time { return time.Now().AddDate(s.ahead, 0, 0).Truncate(s.plan.resolution) }
	s.ledger.strict = os.Getenv(variableStrict) != ""
	s.mirror.movies, s.awaited = make(map[int64]string), make(map[time.Duration]bool)
	running.Store(int64(seed), s)
	return s
}

// objects returns the objects of the bucket. The caller holds the lock.
func (s *simulation) objects() []bucket.Object {
	var all []bucket.Object
	for page, err := range s.memory.List(context.Background()) {
		if err != nil {
			panic(err)
		}
		all = append(all, page...)
	}
	return all
}

// changed remembers the present content of the bucket. The caller holds the lock.
func (s *simulation) changed() {
	s.listings = append(s.listings, slices.Clip(s.objects()))
}
