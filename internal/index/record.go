package index

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// record is a compact movie: title, and the ids of its cast and of its genres, each list
// after its length. A hidden movie has no names, but keeps its title, because a page may
// begin after it.
type record string

func makeRecord(title string, cast, genres []uint32) record {
	b := make([]byte, 0, len(title)+4*(len(cast)+len(genres))+8)
	b = binary.AppendUvarint(b, uint64(len(title)))
	b = append(b, title...)
	for _, list := range [][]uint32{cast, genres} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, id := range list {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return record(b)
}

// open returns the title and the lists.
func (r record) open() (title string, names ids) {
	n, rest := ids(r).cut()
	return string(rest[:n]), rest[n:]
}

func (r record) title() string {
	title, _ := r.open()
	return title
}

// ids holds varints, one after the other.
type ids string

// cut removes and returns the first number; 0 when there is none.
func (l ids) cut() (n uint32, rest ids) {
	for i := 0; i < len(l); i++ {
		n |= uint32(l[i]&0x7f) << (7 * i) // the encoding of binary.AppendUvarint
		if l[i] < 0x80 {
			return n, l[i+1:]
		}
	}
	return n, ""
}

// each calls do for every number of the first list and returns the rest.
func (l ids) each(do func(uint32)) ids {
	n, rest := l.cut()
	at, id, shift := 0, uint32(0), 0
	for ; n > 0; at++ {
		id |= uint32(rest[at]&0x7f) << shift
		if shift += 7; rest[at] < 0x80 {
			do(id)
			id, shift, n = 0, 0, n-1
		}
	}
	return rest[at:]
}

// records holds the records of all movies by id, in pages: one string for many neighbours
// takes little memory and is fast to walk. Versions share equal pages.
type records struct{ pages []*recordPage }

type recordPage struct {
	ends [pageSize]uint32 // end of each record in data
	data []byte
}

func (r records) at(i uint32) record {
	page := i / pageSize
	if int(page) >= len(r.pages) || r.pages[page] == nil {
		return ""
	}
	return r.pages[page].at(i % pageSize)
}

func (p *recordPage) at(i uint32) record {
	from, to := p.bounds(i)
	return record(unsafe.String(unsafe.SliceData(p.data[from:]), to-from)) //nolint:gosec // a page of a version never changes
}

func (p *recordPage) bounds(i uint32) (from, to uint32) {
	if i > 0 {
		from = p.ends[i-1]
	}
	return from, p.ends[i]
}

// recordsWriter builds the next version of records.
type recordsWriter struct {
	records
	own []bool // pages that no version shares yet
}

func (r records) change() recordsWriter {
	return recordsWriter{records{slices.Clone(r.pages)}, make([]bool, len(r.pages))}
}

func (w *recordsWriter) set(i uint32, r record) {
	n := int(i / pageSize)
	for len(w.pages) <= n {
		w.pages, w.own = append(w.pages, nil), append(w.own, false)
	}
	if !w.own[n] {
		fresh := new(recordPage)
		if old := w.pages[n]; old != nil {
			fresh.ends, fresh.data = old.ends, slices.Clone(old.data)
		}
		w.pages[n], w.own[n] = fresh, true
	}
	w.pages[n].set(i%pageSize, r)
}

func (p *recordPage) set(i uint32, r record) {
	from, to := p.bounds(i)
	p.data = slices.Replace(p.data, int(from), int(to), []byte(r)...)
	for ; i < pageSize; i++ {
		p.ends[i] += uint32(len(r)) - (to - from) //nolint:gosec // wraps around where the record became shorter
	}
}

// commit returns the next version and trims its pages.
func (w *recordsWriter) commit() records {
	for n, page := range w.pages {
		if w.own[n] {
			page.data = append(make([]byte, 0, len(page.data)), page.data...)
		}
	}
	return w.records
}
