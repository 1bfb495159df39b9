package worker

import (
	"fmt"

	"jpmovies/internal/bucket"
)

// candidate is an object that is to be read, and the messages that name it, if it was
// not found by listing.
type candidate struct {
	bucket.Object
	messages []*pendingMessage
	other    string // the key when a message's key is not there, or ""
}

// list sends every object that is to be read.
func (p *pass) list(objects chan<- candidate) {
	p.listing = true
	for page, err := range p.worker.Store.List(p.stop) {
		if err != nil {
			if p.stop.Err() == nil {
				p.breakOff(fmt.Errorf("list: %w", err), func(c *counts) { c.ReadFailed++ })
			}
			return
		}
		for _, o := range page {
			if bucket.Ignored(o) || !p.worker.Shard.Owns(o.Key) {
				continue
			}
			p.count(func(c *counts) { c.Listed++ })
			deleting := p.worker.deletes.has(o.Key)
			if o.Settling || deleting {
				p.count(func(c *counts) {
					if deleting {
						c.Deleting++
					} else {
						c.Settling++
					}
				})
				p.leave(o.LastModified)
				continue
			}
			select {
			case objects <- candidate{Object: o}:
			case <-p.stop.Done():
				p.leave(o.LastModified)
				return
			}
		}
	}
}
