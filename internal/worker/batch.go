package worker

import (
	"time"

	"jpmovies/internal/movie"
)

// A batch is committed when it holds Batch updates and rejections, when it holds
// batchBytes bytes (which bounds its statements and its memory), or when its first part is
// batchAge old.
const (
	batchBytes = 4 << 20
	batchAge   = 100 * time.Millisecond
)

// batch is the content of one transaction, and the objects that it came from.
type batch struct {
	content movie.Batch
	origins []*objectInFlight // the object of each update
	objects []*objectInFlight // each once
	number  int               // of this batch in its pass, from 1
	size    int               // bytes
}

// batchAll joins parts into batches.
func (p *pass) batchAll(parts <-chan part, batches chan<- *batch) {
	current := &batch{number: 1}
	add := func(next part) (full bool) {
		p.room.Release(next.weight())
		current.add(next)
		return len(current.content.Updates)+len(current.content.Rejections) >= p.worker.options.Batch || current.size >= batchBytes
	}
	collect(parts, batchAge, add, func() {
		batches <- current // commitAll receives until the channel is closed
		current = &batch{number: current.number + 1}
	})
}

// add appends a part. The parts of one object come in order, and parts of others may come
// in between.
func (b *batch) add(next part) {
	if from := next.from; from.batch != b.number {
		from.open.Add(1)
		b.objects = append(b.objects, from)
		b.content.Objects = append(b.content.Objects, movie.Object{
			Key: from.Key, ETag: from.ETag, Time: movie.At(from.modified),
			Blank: from.batch == 0 && next.ok && len(next.updates)+len(next.rejections) == 0,
		})
		from.batch = b.number
	}
	b.content.Updates = append(b.content.Updates, next.updates...)
	b.content.Rejections = append(b.content.Rejections, next.rejections...)
	for range next.updates {
		b.origins = append(b.origins, next.from)
	}
	b.size += next.size
	if next.last { // the object is not settled yet, since this batch still counts
		next.from.settle(next.ok)
	}
}

// collect groups the values of a channel. It calls add for each value, and flush when add
// reports a full group, when the first value of a group is maxAge old, and at the end.
func collect[T any](values <-chan T, maxAge time.Duration, add func(T) (full bool), flush func()) {
	timer := time.NewTimer(maxAge)
	timer.Stop()
	empty := true
	for {
		select {
		case value, more := <-values:
			if !more {
				if !empty {
					flush()
				}
				return
			}
			if empty {
				empty = false
				timer.Reset(maxAge)
			}
			if !add(value) {
				continue
			}
		case <-timer.C:
		}
		timer.Stop()
		empty = true
		flush()
	}
}
