// Package simulation runs producers, a bucket, a queue, workers and a database in one process,
// and makes their steps fail in every way.
//
// One number, the seed, decides everything: what producers write and when, how many workers
// run, which of their steps fail, how long each step takes and when a process is killed. Time
// is that of testing/synctest. Every step of every actor draws from its own random stream and
// ends at an instant that no other step can share (see [simulation.wait]). So effects happen
// one at a time, in an order that depends on the seed alone: the same seed replays the same
// run.
//
//	producers -> buckettest.Memory behind processStore -> worker.Worker -> database behind processCatalogue
//	        \--> queuetest.Memory behind processQueue ----^                    |
//	                  |                                                        |
//	                  +------------------> ledger <----------------------------+
//
// In half of the seeds a queue delivers messages about new objects. It loses, repeats, delays
// and reorders them.
//
// The ledger hears of each effect at the moment it happens. Producers tell it the content of
// every generation of every object. It checks three laws:
//
//  1. A worker deletes an object only after all of it was committed.
//  2. A worker deletes a message only after the generations that it names are gone.
//  3. Readers see, at any time, the merge of the committed updates.
package simulation

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The environment selects the seeds: one, or a number of them from a first one.
const (
	variableSeed  = "SIMULATION_SEED"
	variableFirst = "SIMULATION_FIRST"
	variableSeeds = "SEEDS"
	// variableReplays is how many seeds TestReplay plays twice.
	variableReplays = "SIMULATION_REPLAYS"
	// variableStrict makes a seed also fail if a worker deleted a generation after reading only
	// an older one with the same bytes.
	variableStrict = "SIMULATION_STRICT"
	defaultSeeds   = 1000
)

// TestSeeds plays many seeds, one per processor at a time.
func TestSeeds(t *testing.T) {
	if text := os.Getenv(variableSeed); text != "" {
		s := play(t, number(t, variableSeed, 0))
		t.Logf("trace:\n%s", strings.Join(s.trace, "\n"))
		return
	}
	first, seeds := number(t, variableFirst, 1), number(t, variableSeeds, defaultSeeds)
	var next, played atomic.Uint64
	var failed atomic.Bool
	var sums totals
	start := time.Now()
	t.Run("lanes", func(t *testing.T) {
		for lane := range runtime.GOMAXPROCS(0) {
			t.Run(strconv.Itoa(lane), func(t *testing.T) {
				t.Parallel()
				for !failed.Load() {
					n := next.Add(1) - 1
					if n >= seeds {
						return
					}
					sums.add(play(t, first+n))
					if t.Failed() {
						failed.Store(true)
					}
					progress(played.Add(1), start)
				}
			})
		}
	})
	if !t.Failed() && seeds >= 100 {
		sums.check(t)
	}
	took := time.Since(start)
	t.Logf("%d seeds from %d on in %s (%.0f a second): %s",
		played.Load(), first, took.Round(time.Millisecond), float64(played.Load())/took.Seconds(), &sums)
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// progress prints the progress of a long run to standard error.
func progress(played uint64, start time.Time) {
	const every = 1000
	if played%every == 0 {
		fmt.Fprintf(os.Stderr, "simulation: %d seeds in %s\n", played, time.Since(start).Round(time.Second))
	}
}

// play plays one seed and reports its failures.
func play(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := newSimulation(t, seed)
	defer s.forget()
	how := fmt.Sprintf("replay: %s=%d go test ./tests/simulation -run '^TestSeeds$' -v", variableSeed, seed)
	defer func() {
		if reason := recover(); reason != nil { // for example a deadlock of the bubble
			panic(fmt.Sprintf("seed %d: %v\n%s", seed, reason, how))
		}
	}()
	synctest.Test(t, func(t *testing.T) { s.run(t.Context()) })
	if len(s.failures) > 0 {
		t.Errorf("seed %d: %d failures\n  %s\n%s", seed, len(s.failures),
			strings.Join(s.failures[:min(len(s.failures), 8)], "\n  "), how)
	}
	return s
}

// TestReplay: playing a seed twice gives the same trace and the same tables.
func TestReplay(t *testing.T) {
	var played, steps atomic.Int64
	t.Cleanup(func() {
		if n := played.Load(); steps.Load() < 50*n {
			t.Errorf("only %d steps in %d seeds", steps.Load(), n)
		}
	})
	for seed := range number(t, variableReplays, 20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			first, second := play(t, seed), play(t, seed)
			for i := range max(len(first.trace), len(second.trace)) {
				a, b := at(first.trace, i), at(second.trace, i)
				if a != b {
					t.Fatalf("step %d of %d and %d differs; before:\n%s\nfirst:  %s\nsecond: %s", i, len(first.trace), len(second.trace),
						strings.Join(first.trace[max(0, i-10):i], "\n"), a, b)
				}
			}
			played.Add(1)
			steps.Add(int64(len(first.trace)))
			if !slices.Equal(first.tables, second.tables) {
				t.Errorf("the tables differ:\n%q\n%q", first.tables, second.tables)
			}
		})
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// totals counts what happened in all seeds.
type totals struct {
	steps, commits, faults, kills, puts, overwritten, deletes, updates, rejections, beside, twins, differs, example atomic.Int64
}

func (n *totals) add(s *simulation) {
	n.steps.Add(int64(len(s.trace)))
	n.commits.Add(int64(s.stats.commits))
	n.faults.Add(int64(s.stats.faults))
	n.kills.Add(int64(s.stats.kills))
	n.puts.Add(int64(s.ledger.stats.puts))
	n.overwritten.Add(int64(s.ledger.stats.overwritten))
	n.deletes.Add(int64(s.ledger.stats.deletes))
	n.updates.Add(int64(s.ledger.stats.updates))
	n.rejections.Add(int64(s.ledger.stats.rejections))
	n.beside.Add(int64(s.stats.beside))
	n.twins.Add(int64(s.ledger.stats.outdated))
	if s.stats.differs {
		n.differs.Add(1)
		n.example.Store(int64(s.seed))
	}
}

// check fails if something never happened. A simulation in which nothing happens proves
// nothing.
func (n *totals) check(t *testing.T) {
	for name, count := range map[string]*atomic.Int64{
		"fault": &n.faults, "kill": &n.kills, "overwritten object": &n.overwritten, "delete": &n.deletes, "commit": &n.commits,
		"update": &n.updates, "rejection": &n.rejections, "receive beside others": &n.beside,
	} {
		if count.Load() == 0 {
			t.Errorf("no %s in all seeds", name)
		}
	}
}

func (n *totals) String() string {
	return fmt.Sprintf("%d steps, %d faults, %d kills, %d objects written (%d over another), %d deleted, "+
		"%d transactions with %d updates and %d rejections, %d receives beside others; %d generations deleted after only their twin had been read, seen by readers in %d seeds (as %d)",
		n.steps.Load(), n.faults.Load(), n.kills.Load(), n.puts.Load(), n.overwritten.Load(), n.deletes.Load(),
		n.commits.Load(), n.updates.Load(), n.rejections.Load(), n.beside.Load(), n.twins.Load(), n.differs.Load(), n.example.Load())
}
