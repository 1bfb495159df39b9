package worker

import (
	"errors"
	"fmt"

	"jpmovies/internal/bucket"
)

// candidate is an object to read, with the messages that name it; none if a listing found
// it. Its Size and LastModified are hints: the object may have been overwritten since.
type candidate struct {
	bucket.Object
	messages []*pendingMessage
	otherKey string // tried if Key does not exist or is denied; see queue.Event.Other

	deniedKey string // the key before otherKey, if it was denied
	denial    error
}

// list is the source that sends every object of the shard.
func (p *pass) list(objects chan<- candidate) {
	p.listing = true
	for page, err := range p.worker.options.Store.List(p.stop) {
		if err != nil {
			if p.cutShort = p.stop.Err() != nil; !p.cutShort {
				p.failList(fmt.Errorf("list: %w", err))
			}
			return
		}
		for _, o := range page {
			if bucket.Ignored(o) || !p.worker.options.Shard.Owns(o.Key) || p.skip(o) {
				continue
			}
			select {
			case objects <- candidate{Object: o}:
			case <-p.stop.Done():
				p.leave(o.LastModified)
				p.cutShort = true
				return
			}
		}
	}
}

// failList records why not all is listed. What is listed is drained all the same.
func (p *pass) failList(err error) {
	if errors.Is(err, bucket.ErrPartial) {
		p.worker.metrics.readFailures.Inc()
		p.fail(err, func(*counts) {})
		return
	}
	p.failWhole(err, func(c *counts) { c.ReadFailed++ })
}

// skip counts an object, and reports whether this pass must not read it.
func (p *pass) skip(o bucket.Object) bool {
	deleting, resting := p.worker.deletes.has(o.Key), p.plan.rests && p.worker.rests.has(o.Ref)
	p.count(func(c *counts) {
		c.Listed++
		switch {
		case deleting:
			c.Deleting++
		case resting:
			c.Resting++
		}
	})
	if o.Settling && !deleting {
		p.settling(o.Key)
	}
	if deleting || resting || o.Settling {
		p.leave(o.LastModified)
		return true
	}
	return false
}
