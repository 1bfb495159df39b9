package index

// vector is a list in pages; versions of an index share equal pages. Unset elements are
// zero.
type vector[T any] struct{ pages []*[pageSize]T }

const pageSize = 256

func (v vector[T]) at(i uint32) (value T) {
	if page := i / pageSize; int(page) < len(v.pages) && v.pages[page] != nil {
		return v.pages[page][i%pageSize]
	}
	return value
}

// vectorWriter builds the next version of a vector.
type vectorWriter[T any] struct {
	vector[T]
	own []bool // pages that no version shares yet
}

func (v vector[T]) change() vectorWriter[T] {
	return vectorWriter[T]{vector[T]{append([]*[pageSize]T(nil), v.pages...)}, make([]bool, len(v.pages))}
}

func (w *vectorWriter[T]) set(i uint32, value T) {
	page := int(i / pageSize)
	for len(w.pages) <= page {
		w.pages, w.own = append(w.pages, nil), append(w.own, false)
	}
	if !w.own[page] {
		w.own[page] = true
		fresh := new([pageSize]T)
		if w.pages[page] != nil {
			*fresh = *w.pages[page]
		}
		w.pages[page] = fresh
	}
	w.pages[page][i%pageSize] = value
}
