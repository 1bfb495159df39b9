package main

import (
	"context"
	"sync/atomic"

	"jpmovies/internal/movie"
	"jpmovies/internal/worker"
)

// imported counts the updates that an import commits.
type imported struct {
	worker.Catalogue
	updates, changes, rejections atomic.Int64
}

func (i *imported) Apply(ctx context.Context, b movie.Batch) (int, error) {
	changes, err := i.Catalogue.Apply(ctx, b)
	if err == nil {
		i.updates.Add(int64(len(b.Updates)))
		i.changes.Add(int64(changes))
		i.rejections.Add(int64(len(b.Rejections)))
	}
	return changes, err
}
