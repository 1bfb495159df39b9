package index

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// set is a set of numbers: a sorted list of few, or a bitmap. A set that a version holds
// never changes; a Builder changes only sets of its own (see with, clone).
type set struct {
	few  []uint32
	many *roaring.Bitmap
}

// mostFew is the most numbers in a list that is stored; below it a bitmap takes more
// memory. Lists of results may be longer.
const mostFew = 256

func (s set) len() int {
	if s.many != nil {
		return int(s.many.GetCardinality()) //nolint:gosec // below 2^32
	}
	return len(s.few)
}

// last returns the greatest number of a set that is not empty.
func (s set) last() uint32 {
	if s.many != nil {
		return s.many.Maximum()
	}
	return s.few[len(s.few)-1]
}

func (s set) contains(id uint32) bool {
	if s.many != nil {
		return s.many.Contains(id)
	}
	_, found := slices.BinarySearch(s.few, id)
	return found
}

// before returns the greatest number below id, -1 if there is none.
func (s set) before(id uint64) int64 {
	if id == 0 {
		return -1
	}
	last := uint32(min(id-1, 1<<32-1))
	if s.many != nil {
		return s.many.PreviousValue(last)
	}
	at, found := slices.BinarySearch(s.few, last)
	switch {
	case found:
		return int64(last)
	case at == 0:
		return -1
	}
	return int64(s.few[at-1])
}

// each calls do for every number in ascending order.
func (s set) each(do func(uint32)) {
	if s.many == nil {
		for _, id := range s.few {
			do(id)
		}
		return
	}
	var buffer [1024]uint32
	for it := s.many.ManyIterator(); ; {
		n := it.NextMany(buffer[:])
		if n == 0 {
			return
		}
		for _, id := range buffer[:n] {
			do(id)
		}
	}
}

// bitmap returns the set as a bitmap that must not be changed.
func (s set) bitmap() *roaring.Bitmap {
	if s.many != nil {
		return s.many
	}
	return roaring.BitmapOf(s.few...)
}

// common returns the size of the intersection.
func (s set) common(other set) int {
	switch {
	case s.many != nil && other.many != nil:
		return int(s.many.AndCardinality(other.many)) //nolint:gosec // below 2^32
	case s.many != nil || other.many == nil && len(s.few) > len(other.few):
		s, other = other, s
	}
	n := 0
	for _, id := range s.few {
		if other.contains(id) {
			n++
		}
	}
	return n
}

// meets reports whether the sets intersect.
func (s set) meets(other set) bool {
	if s.many != nil && other.many != nil {
		return s.many.Intersects(other.many)
	}
	return s.common(other) > 0
}

// and returns the numbers of s that are in the other set or, if is is false, that are not.
func (s set) and(other set, is bool) set {
	switch {
	case is && s.many != nil && other.many == nil:
		return other.and(s, true)
	case s.many == nil:
		kept := make([]uint32, 0, len(s.few))
		for _, id := range s.few {
			if other.contains(id) == is {
				kept = append(kept, id)
			}
		}
		return set{few: kept}
	case is:
		return set{many: roaring.And(s.many, other.many)}
	}
	return set{many: roaring.AndNot(s.many, other.bitmap())}
}

// having returns the numbers of a small set for which do returns true.
func (s set) having(do func(id uint32) bool) set {
	var kept []uint32
	s.each(func(id uint32) {
		if do(id) {
			kept = append(kept, id)
		}
	})
	return set{few: kept}
}

// union returns the union of the sets: sorted when they are small, else as bits in an
// array, which is faster than merging many bitmaps. Bitmaps with more than one bit in 128
// are merged, which is faster for these.
func union(sets []set) set {
	switch len(sets) {
	case 0:
		return set{}
	case 1:
		return sets[0]
	}
	total, end := 0, uint32(0)
	for _, s := range sets {
		if s.len() > 0 {
			total, end = total+s.len(), max(end, s.last())
		}
	}
	if total <= 16*mostFew {
		few := make([]uint32, 0, total)
		for _, s := range sets {
			s.each(func(id uint32) { few = append(few, id) })
		}
		slices.Sort(few)
		return set{few: slices.Compact(few)}
	}
	var bits []uint64
	var dense []*roaring.Bitmap
	for _, s := range sets {
		if s.many != nil && s.len() > int(end/128) {
			dense = append(dense, s.many)
			continue
		}
		if bits == nil {
			bits = make([]uint64, end/64+1)
		}
		s.each(func(id uint32) { bits[id/64] |= 1 << (id % 64) })
	}
	if bits != nil {
		dense = append(dense, roaring.FromDense(bits, false))
	}
	return set{many: roaring.FastOr(dense...)}
}

// The methods with and without add and remove a number. They may change s in place, so the
// Builder must own s (see clone), and must use the returned set instead of s.
func (s set) with(id uint32) set {
	switch {
	case s.many != nil:
		s.many.Add(id)
	case len(s.few) == 0 || s.few[len(s.few)-1] < id:
		s.few = append(s.few, id)
	default:
		if at, found := slices.BinarySearch(s.few, id); !found {
			s.few = slices.Insert(s.few, at, id)
		}
	}
	return s.stored()
}

// stored returns the set in the form that takes the least memory.
func (s set) stored() set {
	if s.many == nil && len(s.few) > mostFew {
		return set{many: roaring.BitmapOf(s.few...)}
	}
	return s
}

func (s set) without(id uint32) set {
	if s.many != nil {
		s.many.Remove(id)
		return s
	}
	if at, found := slices.BinarySearch(s.few, id); found {
		s.few = slices.Delete(s.few, at, at+1)
	}
	return s
}

// clone returns a copy that may be changed.
func (s set) clone() set {
	if s.many != nil {
		return set{many: s.many.Clone()}
	}
	return set{few: append(make([]uint32, 0, len(s.few)+1), s.few...)}
}

// setsWriter builds the next version of a list of sets.
type setsWriter struct {
	vectorWriter[set]
	mine map[uint32]bool // sets that no version shares yet; nil for all
}

func changeSets(v vector[set], all bool) setsWriter {
	w := setsWriter{vectorWriter: v.change()}
	if !all {
		w.mine = make(map[uint32]bool)
	}
	return w
}

// own returns a set that may be changed.
func (w *setsWriter) own(i uint32) set {
	s := w.at(i)
	if w.mine == nil || w.mine[i] {
		return s
	}
	w.mine[i] = true
	return s.clone()
}

func (w *setsWriter) add(i, id uint32)    { w.set(i, w.own(i).with(id)) }
func (w *setsWriter) remove(i, id uint32) { w.set(i, w.own(i).without(id)) }

// commit returns the next version and trims lists that grew step by step.
func (w *setsWriter) commit() vector[set] {
	if w.mine == nil {
		for _, page := range w.pages {
			if page == nil {
				continue
			}
			for i := range page {
				if few := page[i].few; cap(few) > len(few) {
					page[i].few = append(make([]uint32, 0, len(few)), few...)
				}
			}
		}
	}
	return w.vector
}
