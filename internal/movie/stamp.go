package movie

import (
	"cmp"
	"encoding/binary"
	"errors"
	"strings"
)

// Stamp orders all updates: the newest wins, field by field. The zero Stamp means that
// there is none. It is older than every other, and no update has it, since positions begin
// at 1.
type Stamp struct {
	// Time is the LastModified of the object's GET.
	Time Time
	// Key of the object, compared as bytes.
	Key string
	// Position of the update in its object, from 1.
	Position int64
}

// Compare returns a negative number when s is older than other, a positive one when it is
// newer.
func (s Stamp) Compare(other Stamp) int {
	switch none := other.IsZero(); {
	case s.IsZero() && none:
		return 0
	case s.IsZero():
		return -1
	case none:
		return 1
	}
	return cmp.Or(
		s.Time.Compare(other.Time),
		strings.Compare(s.Key, other.Key),
		cmp.Compare(s.Position, other.Position),
	)
}

// IsZero reports whether there is no stamp.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// stamps are the stamps of a record in the order in which they are stored.
type stamps [4]Stamp

var errStamps = errors.New("stored stamps are damaged")

// AppendStamps appends the stored form of the record's stamps deleted, updated, cast and
// genres. A stamp that equals the one before it takes one byte. Most records carry one
// stamp three or four times, so they take little more than its key.
func (r Record) AppendStamps(dst []byte) []byte {
	var before Stamp
	for _, s := range (stamps{r.Deleted, r.Updated, r.Cast.Stamp, r.Genres.Stamp}) {
		switch {
		case s == before:
			dst = append(dst, stampSame)
		case s.IsZero():
			dst = append(dst, stampZero)
		default:
			dst = append(dst, stampFull)
			dst = binary.AppendVarint(dst, s.Time.Sec)
			dst = binary.AppendUvarint(dst, uint64(s.Time.Nsec)) //nolint:gosec // never negative
			dst = binary.AppendVarint(dst, s.Position)
			dst = binary.AppendUvarint(dst, uint64(len(s.Key)))
			dst = append(dst, s.Key...)
		}
		before = s
	}
	return dst
}

const (
	stampSame byte = iota
	stampZero
	stampFull
)

// SetStamps sets the record's stamps from the output of AppendStamps.
func (r *Record) SetStamps(stored []byte) error {
	var all stamps
	var before Stamp
	for i := range all {
		s, rest, err := cutStamp(stored, before)
		if err != nil {
			return err
		}
		all[i], before, stored = s, s, rest
	}
	if len(stored) > 0 {
		return errStamps
	}
	r.Deleted, r.Updated, r.Cast.Stamp, r.Genres.Stamp = all[0], all[1], all[2], all[3]
	return nil
}

func cutStamp(stored []byte, before Stamp) (Stamp, []byte, error) {
	if len(stored) == 0 {
		return Stamp{}, nil, errStamps
	}
	kind, rest := stored[0], stored[1:]
	switch kind {
	case stampSame:
		return before, rest, nil
	case stampZero:
		return Stamp{}, rest, nil
	case stampFull:
		return cutFullStamp(rest)
	}
	return Stamp{}, nil, errStamps
}

func cutFullStamp(stored []byte) (s Stamp, rest []byte, err error) {
	var n int
	if s.Time.Sec, n = binary.Varint(stored); n <= 0 {
		return Stamp{}, nil, errStamps
	}
	stored = stored[n:]
	nsec, n := binary.Uvarint(stored)
	if n <= 0 || nsec > 999_999_999 {
		return Stamp{}, nil, errStamps
	}
	s.Time.Nsec = int32(nsec)
	stored = stored[n:]
	if s.Position, n = binary.Varint(stored); n <= 0 {
		return Stamp{}, nil, errStamps
	}
	stored = stored[n:]
	length, n := binary.Uvarint(stored)
	if n <= 0 || length > uint64(len(stored)-n) { //nolint:gosec // n is at most the length
		return Stamp{}, nil, errStamps
	}
	stored = stored[n:]
	s.Key = string(stored[:length])
	return s, stored[length:], nil
}
