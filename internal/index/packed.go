package index

import (
	"slices"
	"unsafe"
)

// packed is a list of texts by number, in pages: one allocation for many neighbours takes
// little memory and is fast to walk. Versions share equal pages. Unset texts are empty.
type packed struct{ pages []*packedPage }

type packedPage struct {
	ends [pageSize]uint32 // end of each text in data
	used uint32           // number of ends
	data []byte
}

func (p packed) at(i uint32) string {
	page := i / pageSize
	if int(page) >= len(p.pages) || p.pages[page] == nil {
		return ""
	}
	return p.pages[page].at(i % pageSize)
}

func (p *packedPage) at(i uint32) string {
	if i >= p.used {
		return ""
	}
	from, to := p.bounds(i)
	return unsafe.String(unsafe.SliceData(p.data[from:]), to-from) //nolint:gosec // a page of a version never changes
}

func (p *packedPage) bounds(i uint32) (from, to uint32) {
	if i > 0 {
		from = p.ends[i-1]
	}
	return from, p.ends[i]
}

// packedWriter builds the next version of packed.
type packedWriter struct {
	packed
	own []bool // pages that no version shares yet
}

func (p packed) change() packedWriter {
	return packedWriter{packed{slices.Clone(p.pages)}, make([]bool, len(p.pages))}
}

func (w *packedWriter) set(i uint32, text string) {
	n := int(i / pageSize)
	for len(w.pages) <= n {
		w.pages, w.own = append(w.pages, nil), append(w.own, false)
	}
	if !w.own[n] {
		fresh := new(packedPage)
		if old := w.pages[n]; old != nil {
			*fresh = *old
			fresh.data = slices.Clone(old.data)
		}
		w.pages[n], w.own[n] = fresh, true
	}
	w.pages[n].set(i%pageSize, text)
}

func (p *packedPage) set(i uint32, text string) {
	for ; p.used <= i; p.used++ {
		p.ends[p.used] = uint32(len(p.data)) //nolint:gosec // 256 texts
	}
	from, to := p.bounds(i)
	p.data = slices.Replace(p.data, int(from), int(to), []byte(text)...)
	for ; i < p.used; i++ {
		p.ends[i] += uint32(len(text)) - (to - from) //nolint:gosec // wraps around where the text became shorter
	}
}

// commit returns the next version and trims its pages.
func (w *packedWriter) commit() packed {
	for n, page := range w.pages {
		if w.own[n] {
			page.data = append(make([]byte, 0, len(page.data)), page.data...)
		}
	}
	return w.packed
}
