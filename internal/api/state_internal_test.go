package api

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// TestAnswerOfItsState: a request that began before a change gets the answer for the revision that
// it names, even if the cache has a newer one. It does not replace the newer one.
func TestAnswerOfItsState(t *testing.T) {
	a := &API{cache: newCache(1 << 20), room: newRoom()}
	a.watcher = &watcher{now: time.Now, renewed: a.cache.answers.InvalidateAll}
	b := index.New()
	var states []state
	for revision := range int64(2) {
		if err := b.Put(revision+1, movie.Movie{Identity: movie.Identity{Title: "T", Year: int(2000 + revision)}}); err != nil {
			t.Fatal(err)
		}
		x, err := b.Commit(revision + 1)
		if err != nil {
			t.Fatal(err)
		}
		a.watcher.learn(x.Revision(), x, time.Now(), time.Now())
		states = append(states, a.watcher.peek())
		b = x.Change()
	}
	ask := func(s state) (movies string, hit bool) {
		found, hit, err := a.compute(s, "/movies?", func(x *index.Index) (*answer, error) { return newBriefAnswer(nil, "").withTotal(x.Len()), nil })
		if err != nil {
			t.Fatal(err)
		}
		return found.total[0], hit
	}
	for _, step := range []struct {
		state  int
		movies string
		hit    bool
	}{{1, "2", false}, {0, "1", false}, {1, "2", true}, {0, "1", false}} {
		if movies, hit := ask(states[step.state]); movies != step.movies || hit != step.hit {
			t.Errorf("at revision %d: %s movies, kept: %t; want %s, %t", states[step.state].revision, movies, hit, step.movies, step.hit)
		}
	}
}

// slowFeed is a replica that answers after a second.
type slowFeed struct{ Feed }

func (slowFeed) Revision(context.Context) (int64, error) {
	time.Sleep(time.Second)
	return 1, nil
}

// TestReplicaCatchesUp: a state that was read before the replica caught up stays as old as it was
// then, until the next look.
func TestReplicaCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := time.Now()
		l := newLag(func(context.Context) (time.Time, error) { return behind, nil }, time.Now)
		w := &watcher{feed: slowFeed{}, now: time.Now, lag: l, renewed: func() {}}
		look := func() {
			if _, err := l.look(t.Context()); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		look()
		asked := w.begin(t.Context())
		synctest.Wait()
		behind = time.Time{} // the replica has all now
		look()
		<-asked
		if s := w.peek(); s.age != time.Minute+time.Second {
			t.Errorf("the state of before is %s old", s.age)
		}
		<-w.begin(t.Context())
		if s := w.peek(); s.age > 3*time.Second {
			t.Errorf("the state of after is %s old", s.age)
		}
	})
}

// TestComputationsAreBounded: while many answers are computed, others wait, and are then told to
// come again.
func TestComputationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &API{cache: newCache(1 << 20), room: newRoom()}
		a.watcher = &watcher{now: time.Now}
		computing, end := 0, make(chan struct{})
		var asking sync.WaitGroup
		failed := make(chan error, 100)
		for i := range cap(failed) {
			asking.Go(func() {
				_, _, err := a.compute(state{}, strconv.Itoa(i), func(*index.Index) (*answer, error) {
					a.watcher.mu.Lock()
					computing++
					a.watcher.mu.Unlock()
					<-end
					return newBriefAnswer(nil, ""), nil
				})
				failed <- err
			})
		}
		synctest.Wait()
		if computing != maxLoads {
			t.Errorf("%d computations at once", computing)
		}
		time.Sleep(roomTimeout + time.Second)
		close(end)
		asking.Wait()
		busy := 0
		for range cap(failed) {
			if err := <-failed; errors.Is(err, errBusy) {
				busy++
			} else if err != nil {
				t.Error(err)
			}
		}
		if busy != cap(failed)-maxLoads {
			t.Errorf("%d are told to come again", busy)
		}
	})
}
