package worker

import (
	"fmt"

	"jpmovies/internal/bucket"
)

// list sends every object that is to be read.
func (p *pass) list(objects chan<- bucket.Object) {
	for page, err := range p.Store.List(p.stop) {
		if err != nil {
			if p.stop.Err() == nil {
				p.breakOff(fmt.Errorf("list: %w", err), func(c *counts) { c.ReadFailed++ })
			}
			return
		}
		for _, o := range page {
			if bucket.Ignored(o) || !p.Shard.Owns(o.Key) {
				continue
			}
			p.count(func(c *counts) { c.Listed++ })
			if o.Settling {
				p.count(func(c *counts) { c.Settling++ })
				p.leave(o.LastModified)
				continue
			}
			select {
			case objects <- o:
			case <-p.stop.Done():
				p.leave(o.LastModified)
				return
			}
		}
	}
}
