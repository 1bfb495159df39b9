// Command mutate makes small mistakes in the source of one package, one at a time, and lists
// those that no test notices. The tree is not touched.
//
// All mistakes are compiled into the tests at once, each behind a number; MUTATION chooses
// one. A first run of every test tells which mistakes it reaches, so that a mistake is tried
// only on tests that can notice it.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
)

// options say which mistakes are tried on which tests.
type options struct {
	n        int
	seed     uint64
	at, skip *regexp.Regexp // nil for all, and none
	workers  int
	packages []string // the first one has the mistakes
}

func main() {
	log.SetFlags(0)
	var o options
	flag.IntVar(&o.n, "n", 0, "how many `mistakes` to make, drawn at random; 0 makes all")
	flag.Uint64Var(&o.seed, "seed", 1, "`seed` of the draw")
	flag.Func("at", "only mistakes whose text, FILE:LINE: WHAT, matches this `regexp`", expression(&o.at))
	flag.Func("skip", "without tests whose name matches this `regexp`", expression(&o.skip))
	flag.IntVar(&o.workers, "workers", 2, "`tests` at once")
	flag.Usage = func() {
		log.Print("usage: scripts/mutate [FLAGS] PACKAGE [PACKAGE WITH TESTS...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if o.packages = flag.Args(); len(o.packages) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(o); err != nil {
		log.Fatalf("mutate: %v", err)
	}
}

func expression(to **regexp.Regexp) func(string) error {
	return func(text string) (err error) {
		*to, err = regexp.Compile(text)
		return err
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it lies in the folder for temporary files

	t, err := plant(dir, o.packages)
	if err != nil {
		return err
	}
	tests, err := t.explore(o.skip, o.workers)
	if err != nil {
		return err
	}
	report(t, tests, o.draw(t.mistakes), o.workers)
	return nil
}

// draw returns the mistakes to make.
func (o options) draw(all []mistake) []mistake {
	drawn := slices.DeleteFunc(slices.Clone(all), func(m mistake) bool { return o.at != nil && !o.at.MatchString(m.String()) })
	if o.n == 0 || o.n >= len(drawn) {
		return drawn
	}
	random := rand.New(rand.NewPCG(o.seed, 0)) //nolint:gosec // it need not be secret
	random.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	return drawn[:o.n]
}

// report tries the mistakes, and prints those that are not noticed as they are found.
func report(t *trial, tests []*test, drawn []mistake, workers int) {
	var (
		lock                       sync.Mutex
		group                      sync.WaitGroup
		noticed, missed, unreached int
	)
	work := make(chan mistake)
	for range workers {
		group.Go(func() {
			for m := range work {
				reached, ok := t.try(m, tests)
				lock.Lock()
				switch {
				case !reached:
					unreached++
					fmt.Printf("%s: not reached\n", m)
				case !ok:
					missed++
					fmt.Printf("%s: not noticed\n", m)
				default:
					noticed++
				}
				if done := noticed + missed + unreached; done%100 == 0 {
					log.Printf("mutate: %d of %d", done, len(drawn))
				}
				lock.Unlock()
			}
		})
	}
	for _, m := range drawn {
		work <- m
	}
	close(work)
	group.Wait()
	fmt.Printf("%s: %d mistakes, %d noticed, %d not noticed, %d not reached: %.1f %% of those reached noticed\n",
		filepath.Base(t.dir), len(drawn), noticed, missed, unreached, 100*float64(noticed)/float64(max(1, noticed+missed)))
}
