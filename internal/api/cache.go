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

// cache holds answers of the current state by their request, bounded by their bytes. Every
// change of the catalogue invalidates all of them.
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

// find returns the cached answer to a request if it shows the given state.
func (c *cache) find(s state, key string) (found *answer, hit bool) {
	found, hit = c.answers.GetIfPresent(key)
	return found, hit && found.state == s.number
}

// store caches an answer if its state is still the current one.
func (a *API) store(s state, key string, made *answer) {
	made.state = s.number
	a.watcher.unmoved(s, func() { a.cache.answers.Set(key, made) })
}

// loadKey identifies concurrent requests for the same answer of the same state.
func loadKey(s state, key string) string { return strconv.FormatUint(s.number, 10) + " " + key }

// get returns a cached answer, or loads it from the database. Concurrent requests share
// one load, and the number of concurrent loads is bounded.
func (a *API) get(ctx context.Context, s state, key string, load func(context.Context) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = a.cache.find(s, key); hit {
		return found, true, nil
	}
	// The first client may disconnect while others still wait for the answer.
	loading := a.cache.loading.DoChan(loadKey(s, key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		if kept, hit := a.cache.find(s, key); hit {
			return kept, nil // another request has just loaded it
		}
		if err := a.room.loads.Acquire(ctx, 1); err != nil {
			return nil, errBusy
		}
		defer a.room.loads.Release(1)
		var loaded *answer
		err := guard(func() (err error) { loaded, err = load(ctx); return err })
		if err == nil {
			a.store(s, key, loaded)
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

// compute is get for answers from the index. That takes milliseconds, so waiting clients
// are not released when they disconnect. Counting takes memory for all people, so the
// number of concurrent computations is bounded, too.
func (a *API) compute(s state, key string, make func(*index.Index) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = a.cache.find(s, key); hit {
		return found, true, nil
	}
	made, err, _ := a.cache.loading.Do(loadKey(s, key), func() (any, error) {
		if err := acquire(context.Background(), a.room.computes, 1); err != nil {
			return nil, err
		}
		defer a.room.computes.Release(1)
		var made *answer
		err := guard(func() (err error) { made, err = make(s.index); return err })
		if err == nil {
			a.store(s, key, made)
		}
		return made, err
	})
	if err != nil {
		return nil, false, err
	}
	return made.(*answer), false, nil
}

// guard returns a panic as an error. In a goroutine of its own, a panic would end the
// process.
func guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return do()
}
