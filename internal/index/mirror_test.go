package index_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// source is a fake catalogue in memory with a change log and injected faults.
type source struct {
	states map[int64]movie.State
	log    []movie.Mark // one for each revision
	kept   int          // the log is pruned up to this place
	fault  func() error
	loads  int           // snapshots
	ends   bool          // a snapshot fails
	takes  time.Duration // of a snapshot
}

var errFault = errors.New("fault")

func (s *source) mark() movie.Mark {
	if len(s.log) == 0 {
		return movie.Mark{}
	}
	return s.log[len(s.log)-1]
}

func (s *source) give(ids []int64, each func([]movie.State) error) error {
	for group := range slices.Chunk(ids, 7) {
		var states []movie.State
		for _, id := range group {
			states = append(states, s.states[id])
		}
		if err := errors.Join(s.fault(), each(states)); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) Snapshot(_ context.Context, begin func(movie.Mark, int64) error, each func([]movie.State) error) error {
	s.loads++
	if err := errors.Join(s.fault(), begin(s.mark(), int64(len(s.states)))); err != nil {
		return err
	}
	time.Sleep(s.takes)
	if s.ends {
		return errFault
	}
	return s.give(slices.Sorted(maps.Keys(s.states)), each)
}

func (s *source) Since(_ context.Context, mark movie.Mark, each func([]movie.State) error) (movie.Mark, error) {
	n := int(mark.Revision)
	switch {
	case n > len(s.log), n > 0 && s.log[n-1] != mark:
		return movie.Mark{}, movie.ErrReplaced
	case n < s.kept:
		return movie.Mark{}, movie.ErrPruned
	}
	ids := make(map[int64]bool)
	for _, m := range s.log[n:] {
		ids[m.Movie] = true
	}
	return s.mark(), s.give(slices.Sorted(maps.Keys(ids)), each)
}

func (s *source) change(r *rand.Rand, at int64) {
	id := 1 + r.Int64N(60)
	m := movie.Movie{Identity: movie.Identity{Title: fmt.Sprint("Movie ", id), Year: 2000}, Cast: []string{fmt.Sprint(r.IntN(9))}}
	state := movie.State{ID: id, Identity: m.Identity, Hidden: r.IntN(3) == 0}
	if !state.Hidden {
		state.Fields = m.AppendFields(nil)
	}
	s.states[id] = state
	s.log = append(s.log, movie.Mark{Revision: int64(len(s.log) + 1), Movie: id, ChangedAt: at})
}

// TestMirror follows a catalogue that changes, prunes its log, and is restored from copies, while
// some reads fail. Each version that it shows must equal the catalogue at its revision.
func TestMirror(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := &source{states: map[int64]movie.State{}, fault: func() error { return nil }}
		m := index.NewMirror(s)
		if m.Index() != nil {
			t.Fatal("it has an index before it is loaded")
		}
		var copied source
		history := map[movie.Mark]map[int64]movie.State{{}: {}}
		for step := range int64(60) {
			for range r.IntN(20) {
				s.change(r, 1000*step+r.Int64N(1000))
				history[s.mark()] = maps.Clone(s.states)
			}
			switch r.IntN(12) {
			case 0:
				s.kept = r.IntN(len(s.log) + 1)
			case 1:
				copied = source{states: maps.Clone(s.states), log: slices.Clone(s.log)}
			case 2:
				if copied.states != nil { // restored; later changes soon pass the mirror's revision
					s.states, s.log, s.kept = maps.Clone(copied.states), slices.Clone(copied.log), 0
				}
			}
			s.fault = func() error {
				if r.IntN(12) == 0 {
					return errFault
				}
				return nil
			}
			before := m.Index()
			err := m.Follow(t.Context())
			s.fault = func() error { return nil }
			if err != nil {
				if !errors.Is(err, errFault) || m.Index() != before {
					t.Fatalf("seed %d: %v", seed, err)
				}
				continue
			}
			checkVersion(t, m.Index(), history[s.mark()], s.mark().Revision)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkVersion(t *testing.T, x *index.Index, states map[int64]movie.State, revision int64) {
	t.Helper()
	if x.Revision() != revision {
		t.Errorf("the index is at revision %d of %d", x.Revision(), revision)
	}
	for id := range int64(62) {
		state, known := states[id]
		fields, found := x.AppendFields(nil, id)
		if found != (known && !state.Hidden) || string(fields) != string(state.Fields) {
			t.Errorf("movie %d is %q at revision %d, want %q", id, fields, revision, state.Fields)
		}
	}
}

// recast gives all movies another cast.
func (s *source) recast(step int) {
	for id := range int64(1000) {
		film := movie.Movie{Identity: movie.Identity{Title: "A", Year: 2000}, Cast: []string{fmt.Sprint("Seen by ", step, " ", id)}}
		s.states[id+1] = movie.State{ID: id + 1, Identity: film.Identity, Fields: film.AppendFields(nil)}
		s.log = append(s.log, movie.Mark{Revision: int64(len(s.log) + 1), Movie: id + 1, ChangedAt: 1})
	}
}

// TestWastefulMirrorFollows: an index that should be loaded again, and cannot be, is followed until
// the load succeeds.
func TestWastefulMirrorFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{states: map[int64]movie.State{}, fault: func() error { return nil }}
		m := index.NewMirror(s)
		failed := 0
		for step := range 60 {
			s.ends = step > 0 && step < 50
			s.recast(step)
			time.Sleep(time.Minute)
			switch err := m.Follow(t.Context()); {
			case errors.Is(err, errFault):
				failed++
				continue
			case err != nil:
				t.Fatal(err)
			}
			if got := m.Index().Revision(); got != s.mark().Revision {
				t.Fatalf("step %d: it is at revision %d of %d", step, got, s.mark().Revision)
			}
		}
		if failed < 2 || failed > 5 || s.loads < failed+2 {
			t.Errorf("%d loads failed, of %d", failed, s.loads)
		}
	})
}

// TestMirrorForgets: a catalogue whose movies change for ever does not make the index grow for
// ever: it is loaded again when most of its names are of no movie any more.
func TestMirrorForgets(t *testing.T) {
	s := &source{states: map[int64]movie.State{}, fault: func() error { return nil }}
	m := index.NewMirror(s)
	const steps = 40
	for step := range steps {
		s.recast(step)
		if err := m.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if found, err := m.Index().People(movie.Filter{}, nil, "", 1); err != nil || found.Total != 1000 {
			t.Fatalf("step %d: %d people, want 1000: %v", step, found.Total, err)
		}
	}
	if s.loads < 2 || s.loads > steps/5 {
		t.Errorf("%d loads in %d steps", s.loads, steps)
	}
}

// TestLoad: the progress of a load shows, and one that fails is repeated after the time that it
// took, ten seconds at most.
func TestLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{states: map[int64]movie.State{}, fault: func() error { return nil }}
		s.recast(0)
		m := index.NewMirror(s)
		for _, test := range []struct{ takes, rests time.Duration }{{3 * time.Second, 3 * time.Second}, {time.Minute, 10 * time.Second}} {
			s.takes, s.ends, s.loads = test.takes, true, 0
			seen := make(chan index.Progress, 1)
			time.AfterFunc(test.takes/2, func() { seen <- m.Progress() })
			for _, wait := range []time.Duration{0, test.rests - time.Second} {
				time.Sleep(wait)
				if err := m.Follow(t.Context()); !errors.Is(err, errFault) || s.loads != 1 {
					t.Errorf("%d loads, want 1: %v", s.loads, err)
				}
			}
			if during, want := <-seen, (index.Progress{Loading: true, Expected: 1000}); during != want || m.Progress().Loading {
				t.Errorf("progress %+v, then %+v", during, m.Progress())
			}
			time.Sleep(time.Second)
			if err := m.Follow(t.Context()); !errors.Is(err, errFault) || s.loads != 2 {
				t.Errorf("%d loads after %v: %v", s.loads, test.rests, err)
			}
			time.Sleep(time.Hour)
		}
		s.ends = false
		if err := m.Follow(t.Context()); err != nil {
			t.Error(err)
		}
		if p, want := m.Progress(), (index.Progress{Loaded: 1000, Expected: 1000, Took: time.Minute}); p != want {
			t.Errorf("progress %+v, want %+v", p, want)
		}
	})
}
