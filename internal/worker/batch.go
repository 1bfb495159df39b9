package worker

import (
	"time"

	"jpmovies/internal/movie"
)

// A batch is committed when it has Batch updates, or this many bytes (so that
// its statements and its memory stay bounded), or when its first update has
// waited this long.
const (
	batchBytes = 4 << 20
	batchAge   = 100 * time.Millisecond
)

// batch is what one transaction commits, and the objects it came from.
type batch struct {
	movie.Batch
	origins []*objectInFlight // of each update
	objects []*objectInFlight // each once
	number  int               // of this batch in its pass, from 1
	size    int               // bytes
}

// fill puts parts together to batches.
func (p *pass) fill(parts <-chan part, batches chan<- *batch) {
	current := &batch{number: 1}
	timer := time.NewTimer(batchAge)
	timer.Stop()
	flush := func() {
		timer.Stop()
		if len(current.objects) > 0 {
			batches <- current // the committer reads to the end, whatever happens
			current = &batch{number: current.number + 1}
		}
	}
	for {
		select {
		case next, more := <-parts:
			if !more {
				flush()
				return
			}
			if len(current.objects) == 0 {
				timer.Reset(batchAge)
			}
			current.add(next)
			if len(current.Updates)+len(current.Rejections) >= p.worker.Batch || current.size >= batchBytes {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

// add takes a part. The parts of one object come in order but not next to each
// other.
func (b *batch) add(next part) {
	if from := next.from; from.batch != b.number {
		from.open.Add(1)
		b.objects = append(b.objects, from)
		b.Objects = append(b.Objects, movie.Object{
			Key: from.Key, ETag: from.ETag, Time: movie.At(from.modified),
			Blank: from.batch == 0 && next.ok && len(next.updates)+len(next.rejections) == 0,
		})
		from.batch = b.number
	}
	b.Updates = append(b.Updates, next.updates...)
	b.Rejections = append(b.Rejections, next.rejections...)
	for range next.updates {
		b.origins = append(b.origins, next.from)
	}
	b.size += next.size
	if next.last { // cannot be the end: this batch is still open
		next.from.settle(next.ok)
	}
}
