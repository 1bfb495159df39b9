package api

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// shelfOf keeps answers by their request.
type shelfOf = otter.Cache[string, *answer]

// cache keeps answers ready to be sent, bounded by their bytes. Any change may
// concern a list, so all are dropped with each; a single movie is dropped when
// it changes. They are bounded apart: lists that come and go would else drive
// out the movies that stay.
type cache struct {
	lists, movies *shelfOf
	loading       singleflight.Group
}

func newCache(bytes int64) *cache {
	return &cache{lists: newShelf(bytes - bytes/4), movies: newShelf(bytes / 4)}
}

func newShelf(bytes int64) *shelfOf {
	return otter.Must(&otter.Options[string, *answer]{
		MaximumWeight: uint64(max(bytes, 1)),
		Weigher:       func(key string, a *answer) uint32 { return a.weight(len(key)) },
	})
}

// movieKey is the key of a single movie.
func movieKey(id int64) string { return "/movies/" + strconv.FormatInt(id, 10) }

// touched drops all lists, and the movies with these ids; nil drops all movies.
func (c *cache) touched(ids []int64) {
	c.lists.InvalidateAll()
	if ids == nil {
		c.movies.InvalidateAll()
	}
	for _, id := range ids {
		c.movies.Invalidate(movieKey(id))
	}
}

// get returns an answer that is kept, or loads it: once, however many ask for it
// at the same time, and for as many requests at once as there is room.
func (a *API) get(ctx context.Context, s state, in *shelfOf, key string, load func(context.Context) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = in.GetIfPresent(key); hit {
		return found, true, nil
	}
	// The one who asked first may go away; the others still want the answer.
	// Whoever knows of a later revision must not get what was read before it.
	loading := a.cache.loading.DoChan(fmt.Sprint(s.revision, " ", key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		if kept, hit := in.GetIfPresent(key); hit {
			return kept, nil // it came between our look and our turn
		}
		if err := a.room.loads.Acquire(ctx, 1); err != nil {
			return nil, errBusy
		}
		defer a.room.loads.Release(1)
		var loaded *answer
		err := guard(func() (err error) { loaded, err = load(ctx); return err })
		if err == nil {
			a.watcher.unmoved(s, func() { in.Set(key, loaded) })
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
