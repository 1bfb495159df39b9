package api

import (
	"context"
	"fmt"
	"strconv"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// request names an answer. Lists are kept by revision, since any change may
// concern them; a single movie has revision 0 and is dropped when it changes.
type request struct {
	revision int64
	key      string
}

// movieKey is the key of a single movie.
func movieKey(id int64) string { return "/movies/" + strconv.FormatInt(id, 10) }

// cache keeps answers ready to be sent, bounded by their bytes.
type cache struct {
	entries *otter.Cache[request, *answer]
	loading singleflight.Group
}

func newCache(bytes int64) *cache {
	return &cache{
		entries: otter.Must(&otter.Options[request, *answer]{
			MaximumWeight: uint64(bytes), //nolint:gosec // configured, positive
			Weigher:       func(r request, a *answer) uint32 { return a.weight(len(r.key)) },
		}),
	}
}

// touched drops the movies with these ids; nil drops all answers.
func (c *cache) touched(ids []int64) {
	if ids == nil {
		c.entries.InvalidateAll()
		return
	}
	for _, id := range ids {
		c.entries.Invalidate(request{key: movieKey(id)})
	}
}

// get returns an answer that is kept, or loads it: once, however many ask for it
// at the same time.
func (a *API) get(ctx context.Context, s state, r request, load func(context.Context) (*answer, error)) (found *answer, hit bool, err error) {
	if found, hit = a.cache.entries.GetIfPresent(r); hit {
		return found, true, nil
	}
	// The one who asked first may go away; the others still want the answer.
	loading := a.cache.loading.DoChan(fmt.Sprint(s.revision, " ", r.key), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
		defer cancel()
		loaded, err := load(ctx)
		if err != nil {
			return nil, err
		}
		a.watcher.unmoved(s.revision, func() { a.cache.entries.Set(r, loaded) })
		return loaded, nil
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
