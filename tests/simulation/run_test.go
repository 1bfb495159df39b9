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

// simulation is one run. Its lock is held while something takes effect, never
// while time passes.
type simulation struct {
	seed  uint64
	plan  plan
	file  string
	start time.Time

	mu       sync.Mutex
	memory   buckettest.Memory
	queue    queuetest.Memory
	told     map[string][]told // by the body of each message
	listings [][]bucket.Object // what the bucket held after each change
	engine   *database.DB
	db       *catalogue.Catalogue
	raw      *sql.DB
	mirror   mirror
	ledger   *ledger
	ahead    int  // years, of the bucket's clock
	breaking int  // the statement of the present transaction that fails, 0 = none
	calm     bool // nothing fails any more
	trace    []string
	failures []string
	tables   []string // what the database holds in the end
	stats    struct {
		commits, faults, kills int
		beside                 int // receives that began while others were under way
		differs                bool
	}

	late sync.WaitGroup // effects that come after their answer
}

// run plays the seed, in a bubble.
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

// waiting are the keys of the objects that a worker should take.
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

// fail notes a failure of the system under test.
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

// draw gives the stream of one step, named by what is unique about it.
func (s *simulation) draw(name ...any) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, name...) // never fails
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// Actors, after the seats of the workers.
const (
	actorMain = iota + 8
	actorReader
	actorLate
	actorProducers
	actors = actorProducers + 5
)

// slot is a share of each period of time that belongs to one kind of step of one
// actor. No actor does the same step twice at a time, so no two steps ever end
// at the same instant.
type slot struct {
	actor, life, kind, key int
}

const (
	lives  = 4 // a killed process may have steps under way while the next one lives
	kinds  = 10
	keys   = 60
	period = 1 << 18 // ns
)

// A worker's own timers (100 ms for batches, 1 s for messages) start at a step's
// instant. Modulo the period they come 123,136 and 182,784 ns later, which is
// nobody's slot as long as there are fewer slots than that.
var _ = [1]struct{}{}[actors*lives*kinds*keys/40000]

func (s slot) number() int {
	return ((s.actor*lives+s.life%lives)*kinds+s.kind)*keys + s.key
}

// wait lets time pass, and ends at an instant of the slot.
func (s *simulation) wait(own slot, d time.Duration) {
	now := time.Since(s.start)
	end := (now + d).Truncate(period) + time.Duration(own.number())
	if end <= now {
		end += period
	}
	time.Sleep(end - now)
}

// between draws a duration, short ones more often.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	x := r.Float64()
	return from + time.Duration(x*x*float64(to-from))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// open makes the database from the migrated template.
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

// errFault is what a step says that did not go well. Bodies that break off are
// often reported the second way.
var errFault = errors.New("fault")

func fault(r *rand.Rand) error {
	if r.IntN(2) == 0 {
		return fmt.Errorf("%w: %w", errFault, io.ErrUnexpectedEOF)
	}
	return errFault
}

// plan is what the seed has in store.
type plan struct {
	seats      []shard
	producers  int
	actions    int // of each producer
	keys       []string
	titles     int
	resolution time.Duration // of LastModified
	years      []int         // which the bucket's clock is ahead, one of them for each object
	ties       bool          // keys are overwritten within it
	twins      bool          // keys are overwritten with the same bytes
	bulk       bool          // there is an object of more updates than one part holds
	hurry      time.Duration
	rates      [kinds]rates
	life       time.Duration // after which a signal comes, 0 = never
	aftermath  time.Duration
	hints      hintPlan
}

// shard is i of n; n = 0 is the whole bucket.
type shard struct{ i, n int }

// rates are in thousandths of steps.
type rates struct {
	fail, lost, late, broken, crash int
}

func newPlan(s *simulation) plan {
	r := s.draw("plan")
	p := plan{
		producers: 1 + r.IntN(3), keys: []string{"a", "b", "dir/", "c/d", "é", "z 1", "zz", "A", "k1", "k2", "k3", "k4"},
		titles: 1 + r.IntN(len(titles)), resolution: time.Second, twins: r.IntN(3) == 0, bulk: r.IntN(2) == 0,
		hurry: pick(r, 300*time.Millisecond, time.Second, 3*time.Second), aftermath: between(r, 0, 5*time.Second),
	}
	p.actions = 4 + r.IntN(40/p.producers)
	p.keys = p.keys[:2+r.IntN(len(p.keys)-1)]
	if r.IntN(4) == 0 {
		p.drawTies(r)
	}
	if p.bulk {
		p.keys = append(p.keys, bulkKey)
	}
	p.drawSeats(r)
	for kind := range kindReceive { // openQueue draws the others
		p.rates[kind] = rates{fail: pick(r, 0, 0, 20, 60, 200), lost: pick(r, 0, 0, 20, 60, 200), crash: pick(r, 0, 0, 0, 5, 20, 60)}
		switch kind {
		case kindApply:
			p.rates[kind].late, p.rates[kind].broken = pick(r, 0, 0, 50, 150), pick(r, 0, 0, 50, 200)
		case kindDelete, kindDeleteKey:
			p.rates[kind].late = pick(r, 0, 0, 50, 150)
		}
	}
	p.life = pick(r, 0, 5*time.Second, 20*time.Second, time.Minute)
	p.years = pick(r, []int{0}, []int{0}, []int{-1999}, []int{-31}, []int{-399, -31, -30, 0}, []int{-30, -31}, []int{0, 300}, []int{7990, 0, -1999})
	return p
}

// drawTies makes equal stamps frequent: few places, few movies, a coarse clock.
func (p *plan) drawTies(r *rand.Rand) {
	p.ties, p.bulk = true, false
	p.resolution = pick(r, time.Second, 10*time.Second, time.Minute)
	p.keys, p.titles = p.keys[:1+r.IntN(2)], 1+r.IntN(2)
}

// drawSeats has two to five workers: none with a shard, all, or all and more
// without.
func (p *plan) drawSeats(r *rand.Rand) {
	n := 2 + r.IntN(4)
	shards := 0
	if r.IntN(2) == 0 {
		shards = 2 + r.IntN(n-1)
	}
	for i := range n {
		if i < shards {
			p.seats = append(p.seats, shard{i, shards})
		} else {
			p.seats = append(p.seats, shard{})
		}
	}
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := &simulation{seed: seed, ledger: newLedger(), file: copyTemplate(t)}
	s.plan = newPlan(s)
	s.openQueue()
	s.memory.Now = func() time.Time { return time.Now().AddDate(s.ahead, 0, 0).Truncate(s.plan.resolution) }
	s.ledger.strict = os.Getenv(variableStrict) != ""
	s.mirror.movies = make(map[int64]string)
	running.Store(int64(seed), s)
	return s
}

// objects of the bucket as a list. The caller holds the lock.
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

// changed remembers what a listing would show now. The caller holds the lock.
func (s *simulation) changed() {
	s.listings = append(s.listings, slices.Clip(s.objects()))
}
