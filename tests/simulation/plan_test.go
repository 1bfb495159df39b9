package simulation

import (
	"math/rand/v2"
	"time"
)

// plan holds the properties of a run, drawn from its seed.
type plan struct {
	seats      []shard
	producers  int
	actions    int // of each producer
	keys       []string
	titles     int
	resolution time.Duration // of LastModified
	years      []int         // by which the bucket's clock is ahead; each object draws one
	ties       bool          // keys are overwritten within the resolution
	twins      bool          // keys are overwritten with the same bytes
	bulk       bool          // one object has more updates than a part holds
	maxPause   time.Duration // between the writes of a producer
	rates      [kinds]rates
	life       time.Duration // after which a process gets a signal; 0 for never
	aftermath  time.Duration // with faults, after the last write
	hints      hintPlan
}

// shard is part i of n; n = 0 means the whole bucket.
type shard struct{ i, n int }

// rates holds how many of 1000 steps have each outcome.
type rates struct {
	fail, lost, late, broken, crash int
}

func newPlan(s *simulation) plan {
	r := s.draw("plan")
	p := plan{
		producers: 1 + r.IntN(3), keys: []string{"a", "b", "dir/", "c/d", "é", "z 1", "zz", "A", "k1", "k2", "k3", "k4"},
		titles: 1 + r.IntN(len(titles)), resolution: time.Second, twins: r.IntN(3) == 0, bulk: r.IntN(2) == 0,
		maxPause: pick(r, 300*time.Millisecond, time.Second, 3*time.Second), aftermath: between(r, 0, 5*time.Second),
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
	for kind := range kindReceive { // openQueue draws those of the queue
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

// drawTies makes equal stamps frequent: few keys, few movies, a coarse clock.
func (p *plan) drawTies(r *rand.Rand) {
	p.ties, p.bulk = true, false
	p.resolution = pick(r, time.Second, 10*time.Second, time.Minute)
	p.keys, p.titles = p.keys[:1+r.IntN(2)], 1+r.IntN(2)
}

// drawSeats draws two to five workers: without shards, or with a complete set of shards and
// perhaps workers without one beside it.
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
