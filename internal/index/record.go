package index

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"jpmovies/internal/movie"
)

// record is a compact movie: year, title, and the ids of its cast and of its genres, each
// list after its length. A hidden movie has no names, but keeps title and year, because a
// page may begin after it.
type record string

func makeRecord(i movie.Identity, cast, genres []uint32) record {
	b := make([]byte, 0, len(i.Title)+4*(len(cast)+len(genres))+8)
	b = binary.AppendUvarint(b, uint64(i.Year)) //nolint:gosec // from 1 to 9999
	b = binary.AppendUvarint(b, uint64(len(i.Title)))
	b = append(b, i.Title...)
	for _, list := range [][]uint32{cast, genres} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, id := range list {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return record(b)
}

// open returns the title, the year and the lists. The zero record has year 0.
func (r record) open() (title string, year int, names ids) {
	if r == "" {
		return "", 0, ""
	}
	rest := ids(r)
	y, rest := rest.cut()
	n, rest := rest.cut()
	return string(rest[:n]), int(y), rest[n:]
}

func (r record) title() string {
	title, _, _ := r.open()
	return title
}

func (r record) year() int {
	y, _ := ids(r).cut()
	return int(y)
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
	for range n {
		var id uint32
		id, rest = rest.cut()
		do(id)
	}
	return rest
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
