package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// askedTimes is how often a kind of page is asked for in each round.
const askedTimes = 200

// depth compares a page near the end with page 1, one after the other on one
// connection, none of them cached. The figures are times.
func (b *bench) depth(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	apis, err := b.startAPIs(ctx, smallCache)
	if err != nil {
		return err
	}
	defer b.stopAPIs("", apis)
	w := &walker{bench: b, apis: apis}
	deep := int64(0)
	near := func() string { deep++; return fmt.Sprintf("/movies?start=%d", pageSize+2+deep%(b.top/lonersPart)) }
	return w.compare(ctx, "page near the end; page 1, p50", 0.5, near, atMost(1.3, ""))
}

// walker measures times. The limit is that of ours even where there is a base.
type walker struct {
	*bench
	apis []*running
	n    int64
}

// first makes paths of the first page that differ each time: the ids it begins
// below are above all there are.
func (w *walker) first(query string) func() string {
	return func() string { w.n++; return fmt.Sprintf("/movies?start=%d%s", w.top+1+w.n, query) }
}

func (w *walker) compare(ctx context.Context, work string, p float64, path func() string, goal *target) error {
	figures, err := w.one(ctx,
		func() (float64, error) { return times(ctx, w.apis[0].addr, p, w.first("")) },
		func(s subject) (float64, error) { return times(ctx, of(w.apis, s).addr, p, path) })
	if err != nil {
		return fmt.Errorf("%s: %w\nwhat ours has logged: %s", work, err, w.apis[0].complaints())
	}
	w.table.add(work, "ms", figures, goal)
	return nil
}

// times asks one by one, and returns a percentile of the times in milliseconds.
func times(ctx context.Context, addr string, p float64, path func() string) (float64, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }() // every answer was read
	took := make([]float64, askedTimes)
	for i := range took {
		request := get(path())
		began := time.Now()
		if err := c.ask(request, http.StatusOK); err != nil {
			return 0, err
		}
		took[i] = time.Since(began).Seconds() * 1000
	}
	return percentile(took, p), nil
}

// start measures how long an API takes until it is ready.
func (b *bench) start(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	figures, err := b.one(ctx, nil, func(s subject) (float64, error) {
		r, err := b.startAPI(ctx, s, catalogueName)
		if err != nil {
			return 0, err
		}
		return r.ready.Seconds() * 1000, r.stop()
	})
	if err != nil {
		return err
	}
	b.table.add("API, start until ready", "ms", figures, atMost(100, "ms"))
	return nil
}
