package index

import "encoding/binary"

// names holds the numbers of a movie's genres, after how many these are, and then those of
// its cast. Genres come first because they are few, and are counted alone. A hidden movie
// has none.
type names string

func makeNames(genres, cast []uint32) names {
	b := binary.AppendUvarint(make([]byte, 0, 4*(len(genres)+len(cast))+2), uint64(len(genres)))
	for _, list := range [][]uint32{genres, cast} {
		for _, id := range list {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return names(b)
}

// lists returns the numbers of the genres and of the cast.
func (n names) lists() (genres, cast ids) {
	left, rest := ids(n).cut()
	at := 0
	for ; left > 0; at++ {
		if rest[at] < 0x80 { // the last byte of a number
			left--
		}
	}
	return rest[:at], rest[at:]
}

// ids holds numbers, one after the other, in the encoding of [binary.AppendUvarint].
type ids string

// cut removes and returns the first number; 0 when there is none.
func (l ids) cut() (n uint32, rest ids) {
	for i := 0; i < len(l); i++ {
		n |= uint32(l[i]&0x7f) << (7 * i)
		if l[i] < 0x80 {
			return n, l[i+1:]
		}
	}
	return 0, ""
}

// each calls do for every number.
func (l ids) each(do func(uint32)) {
	id, shift := uint32(0), 0
	for i := range len(l) {
		id |= uint32(l[i]&0x7f) << shift
		if shift += 7; l[i] < 0x80 {
			do(id)
			id, shift = 0, 0
		}
	}
}

// all returns the numbers as a list.
func (l ids) all() (list []uint32) {
	l.each(func(id uint32) { list = append(list, id) })
	return list
}
