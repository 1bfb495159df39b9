package main

import "context"

// fewMovies is the size of a catalogue of today, without its loners: what a larger
// one is compared with.
const fewMovies = 36_000

// growth compares each kind of page on the catalogue with the same on a small one:
// the median time of pages that are not cached, one after the other.
func (b *bench) growth(ctx context.Context) error {
	if err := b.complete(ctx); err != nil {
		return err
	}
	if _, err := b.fresh(ctx, b.subjects[0], fewName); err != nil {
		return err
	}
	if err := b.serveMovies(ctx, fewName, fewMovies); err != nil {
		return err
	}
	few, err := b.startAPI(ctx, b.subjects[0], fewName, smallCache)
	if err != nil {
		return err
	}
	defer func() { _ = few.stop() }() // it did what it was for
	apis, err := b.startAPIs(ctx, smallCache)
	if err != nil {
		return err
	}
	defer b.stopAPIs("", apis)
	filters, err := b.filters(ctx)
	if err != nil {
		return err
	}
	w := &walker{bench: b, apis: apis}
	for _, f := range append([]filter{{"none", ""}}, filters...) {
		figures, err := b.one(ctx,
			func() (float64, error) { return times(ctx, few.addr, 0.5, w.first(f.query)) },
			func(s subject) (float64, error) { return times(ctx, of(apis, s).addr, 0.5, w.first(f.query)) })
		if err != nil {
			return err
		}
		b.table.add("growth, filter "+f.name+"; 36,000 movies, p50", "ms", figures, atMost(1.5, ""))
	}
	return nil
}
