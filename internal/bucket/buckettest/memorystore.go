package buckettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"jpmovies/internal/bucket"
)

var _ bucket.Store = (*Memory)(nil)

// List implements bucket.Store.
func (m *Memory) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		for after, more := "", true; more; {
			var page []bucket.Object
			var err error
			page, more, err = m.listPage(ctx, after)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(page, nil) || len(page) == 0 {
				return
			}
			after = page[len(page)-1].Key
		}
	}
}

func (m *Memory) listPage(ctx context.Context, after string) ([]bucket.Object, bool, error) {
	if err := errors.Join(ctx.Err(), m.fault(Op{Kind: List, Key: after})); err != nil {
		return nil, false, err
	}
	m.count(func(c *Counts) { c.Lists++ })
	page, more := m.page("", after, m.PageSize)
	return page, more, m.fault(Op{Kind: List, Key: after, Applied: true})
}

// Get implements bucket.Store. It fails for a settling object, because no caller may read it.
func (m *Memory) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	if err := errors.Join(ctx.Err(), m.fault(Op{Kind: Get, Key: key})); err != nil {
		return bucket.Object{}, nil, err
	}
	m.count(func(c *Counts) { c.Gets++ })
	s, ok := m.load(key)
	if !ok {
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, bucket.ErrNotFound)
	}
	if s.Settling {
		return bucket.Object{}, nil, fmt.Errorf("get %q: a settling object was read", key)
	}
	if err := m.fault(Op{Kind: Get, Key: key, Applied: true}); err != nil {
		return bucket.Object{}, nil, err
	}
	m.count(func(c *Counts) { c.OpenReaders++ })
	return s.Object, &body{ctx: ctx, memory: m, key: key, rest: s.body, half: len(s.body) / 2}, nil
}

// Delete implements bucket.Store. It fails for a Ref without ETag, because no caller may delete
// an object that it has not read.
func (m *Memory) Delete(ctx context.Context, refs []bucket.Ref) []error {
	errs := make([]error, len(refs))
	if err := errors.Join(ctx.Err(), m.fault(Op{Kind: Delete})); err != nil {
		return slices.Repeat([]error{err}, len(refs))
	}
	m.count(func(c *Counts) { c.Deletes++ })
	for i, ref := range refs {
		errs[i] = m.deleteOne(ref)
	}
	if err := m.fault(Op{Kind: Delete, Applied: true}); err != nil {
		return slices.Repeat([]error{err}, len(refs))
	}
	return errs
}

func (m *Memory) deleteOne(ref bucket.Ref) error {
	if err := m.fault(Op{Kind: DeleteKey, Key: ref.Key}); err != nil {
		return err
	}
	if ref.ETag == "" {
		return fmt.Errorf("delete %q: no ETag", ref.Key)
	}
	if err := m.remove(ref); err != nil {
		return err
	}
	return m.fault(Op{Kind: DeleteKey, Key: ref.Key, Applied: true})
}
