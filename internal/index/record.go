package index

import (
	"encoding/binary"
	"unsafe"

	"jpmovies/internal/movie"
)

// record is a movie in few bytes: its year, its title, and the ids of its cast and of
// its genres, each list behind its length. Hidden movies have none, but keep title
// and year: a page may begin behind them.
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

// ids are numbers, one behind the other.
type ids string

// cut takes the first number; 0 when there is none.
func (l ids) cut() (uint32, ids) {
	if len(l) == 0 {
		return 0, l
	}
	if l[0] < 0x80 { // most
		return uint32(l[0]), l[1:]
	}
	n, size := binary.Uvarint(unsafe.Slice(unsafe.StringData(string(l)), len(l))) // only read
	return uint32(n), l[size:]                                                      //nolint:gosec // written from one
}

// each calls do for every number of the first list, and returns what is behind it.
func (l ids) each(do func(uint32)) ids {
	n, rest := l.cut()
	for range n {
		var id uint32
		id, rest = rest.cut()
		do(id)
	}
	return rest
}
