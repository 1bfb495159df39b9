package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"jpmovies/internal/bucket"
	"jpmovies/internal/decode"
	"jpmovies/internal/worker"
)

// dryRun lists the bucket once and prints what a worker of the shard would do with each
// object. It changes nothing and needs no database.
func dryRun(ctx context.Context, store bucket.Store, shard worker.Shard, out io.Writer) error {
	text := bufio.NewWriter(out)
	var total dryCount
	var partial error
	for page, err := range store.List(ctx) {
		if errors.Is(err, bucket.ErrPartial) {
			partial = err
			break
		}
		if err != nil {
			return err
		}
		for _, o := range page {
			if bucket.Ignored(o) || !shard.Owns(o.Key) {
				continue
			}
			if err := total.object(ctx, store, o, text); err != nil {
				return errors.Join(err, text.Flush())
			}
		}
		if err := text.Flush(); err != nil {
			return err
		}
	}
	if ignored := ignoredText(total.ignored); ignored != "" {
		_, _ = fmt.Fprintln(text, ignored) // the next write returns the error
	}
	if _, err := fmt.Fprintf(text, "%d objects: %d updates would be applied, %d rejected; %d objects would be deleted\n",
		total.objects, total.updates, total.rejected, total.deleted); err != nil {
		return err
	}
	return errors.Join(text.Flush(), partial)
}

type dryCount struct {
	objects, updates, rejected, deleted int
	ignored                             decode.FieldCounts
}

func (c *dryCount) object(ctx context.Context, store bucket.Store, o bucket.Object, out io.Writer) error {
	if o.Settling {
		c.objects++
		_, err := fmt.Fprintf(out, "%q: left alone, it may still be written\n", o.Key)
		return err
	}
	updates, rejected, first, err := c.read(ctx, store, o.Key)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, bucket.ErrNotFound):
		return nil
	}
	c.objects++
	if err != nil {
		_, err := fmt.Fprintf(out, "%q: left alone, it cannot be read: %v\n", o.Key, err)
		return err
	}
	c.updates, c.rejected, c.deleted = c.updates+updates, c.rejected+rejected, c.deleted+1
	line := fmt.Sprintf("%q: %d updates, %d rejected", o.Key, updates, rejected)
	if rejected > 0 {
		line += ", first: " + first
	}
	_, err = fmt.Fprintln(out, line)
	return err
}

func (c *dryCount) read(ctx context.Context, store bucket.Store, key string) (updates, rejected int, first string, err error) {
	_, body, err := store.Get(ctx, key)
	if err != nil {
		return 0, 0, "", err
	}
	err = decode.Read(body, func(item decode.Item) error {
		if item.Reason == "" {
			updates++
			c.ignored.Add(item.Ignored)
			return nil
		}
		if rejected++; rejected == 1 {
			first = fmt.Sprintf("update %d, %s", item.Position, item.Reason)
		}
		return nil
	})
	return updates, rejected, first, errors.Join(err, body.Close())
}
