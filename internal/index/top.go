package index

import (
	"container/heap"
	"slices"
)

// top collects the first elements of an order, at most a number of them.
type top[T any] struct {
	most    int
	compare func(a, b T) int
	kept    []T // a heap with the last of them first
}

func (t *top[T]) Len() int           { return len(t.kept) }
func (t *top[T]) Swap(i, j int)      { t.kept[i], t.kept[j] = t.kept[j], t.kept[i] }
func (t *top[T]) Less(i, j int) bool { return t.compare(t.kept[i], t.kept[j]) > 0 }
func (t *top[T]) Push(v any)         { t.kept = append(t.kept, v.(T)) } //nolint:forcetypeassert // offer's

// Pop implements heap.Interface; nothing is popped.
func (t *top[T]) Pop() any { return nil }

// offer considers an element.
func (t *top[T]) offer(v T) {
	switch {
	case len(t.kept) < t.most:
		heap.Push(t, v)
	case t.compare(v, t.kept[0]) < 0:
		t.kept[0] = v
		heap.Fix(t, 0)
	}
}

// sorted returns the elements in order. It ends the collection.
func (t *top[T]) sorted() []T {
	slices.SortFunc(t.kept, t.compare)
	return t.kept
}
