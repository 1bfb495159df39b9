package api

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"jpmovies/internal/index"
)

// cache keeps answers of the current state ready to be sent, by their request, bounded
// by their bytes. Any change may concern any of them, so all are dropped with each.
type cache struct {
	answers *otter.Cache[string, *answer]
	loading singleflight.Group
}

func newCache(bytes int64) *cache {
	return &cache{answers: otter.Must(&otter.Options[string, *answer]{
		MaximumWeight: uint64(max(bytes, 1)),
		Weigher:       func(key string, a *answer) uint32 { return a.weight(len(key)) },
	})}
}

// movieKey is the path of a single movie.
func movieKey(id int64) string { return "/movies/" + strconv.FormatInt(id, 10) }

// find returns an answer that is kept, if it is of a state.
func (c *cache) find(s state, key string) (found *answer, hit bool) {
	found, hit = c.answers.GetIfPresent(key)
	return found, hit && found.state == s.number
}

// keep keeps an answer while its state is the current one.
func (a *API) keep(s state, key string, made *answer) {
	made.state = s.number
	a.watcher.unmoved(s, func() { a.cache.answers.Set(key, made) })
}

// loadKey is the same for all who want the same answer of the same state.
func loadKey(s state, key string) string { return strconv.FormatUint(s.number, 10) + " " + key }

// get returns an answer that is kept, or loads it from the database: once, however many
// ask for it at the same time, and for as many requests at once as there is room.
func (a *API) get(ctx context.Context, s state, key string, load func(context.Context) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = a.cache.find(s, key); hit {
		return found, true, nil
	}
	// The one who asked first may go away; the others still want the answer.
	loading := a.cache.loading.DoChan(loadKey(s, key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		if kept, hit := a.cache.find(s, key); hit {
			return kept, nil // it came between our look and our turn
		}
		if err := a.room.loads.Acquire(ctx, 1); err != nil {
			return nil, errBusy
		}
		defer a.room.loads.Release(1)
		var loaded *answer
		err := guard(func() (err error) { loaded, err = load(ctx); return err })
		if err == nil {
			a.keep(s, key, loaded)
		}
		return loaded, err
	})
	select {
	case result := <-loading:
		if result.Err != nil {
			return nil, false, result.Err
		}
		return result.Val.(*answer), false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// compute is get for answers that are made of the index: that takes milliseconds, so
// nobody who waits is let go.
func (a *API) compute(s state, key string, make func(*index.Index) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = a.cache.find(s, key); hit {
		return found, true, nil
	}
	made, err, _ := a.cache.loading.Do(loadKey(s, key), func() (any, error) {
		var made *answer
		err := guard(func() (err error) { made, err = make(s.index); return err })
		if err == nil {
			a.keep(s, key, made)
		}
		return made, err
	})
	if err != nil {
		return nil, false, err
	}
	return made.(*answer), false, nil
}

// guard makes an error of a panic: outside of a request's own goroutine it would
// end the process.
func guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}
