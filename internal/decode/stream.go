package decode

import (
	"bytes"
	"fmt"

	"jpmovies/internal/movie"
)

// sequence reads values separated by white space.
func (d *decoder) sequence() error {
	for len(d.data()) > 0 {
		if err := d.sequenceValue(); err != nil {
			return err
		}
		if _, err := d.skipSpace(); err != nil {
			return err
		}
	}
	switch {
	case d.broken():
		return d.rejectRest(d.explain(d.end))
	case d.position == 0:
		return d.rejectRest("object: found nothing but white space, expected at least one update")
	}
	return nil
}

func (d *decoder) sequenceValue() error {
	v, err := d.judge()
	if err != nil {
		return err
	}
	s := &skipper{stopAtLine: true}
	switch v.extent {
	case extentKnown:
		return d.settle(v)
	case extentAhead:
		err = d.skipValue(s)
	case extentCut:
		return d.rejectRest(v.reason)
	}
	if err == nil && !s.done || s.failed {
		err = d.skipToLine()
	}
	switch {
	case err != nil:
		return err
	case d.broken() && len(d.data()) == 0:
		return d.rejectRest(d.explain(d.end))
	}
	return d.reject(v.reason)
}

// array reads the elements of an array, which is all that the object holds.
func (d *decoder) array() error {
	d.drop(1)
	c, err := d.skipSpace()
	if err != nil {
		return err
	}
	if c == ']' {
		return d.arrayEnd()
	}
	for {
		if over, err := d.arrayValue(); err != nil || over {
			return err
		}
		c, err := d.skipSpace()
		switch {
		case err != nil:
			return err
		case len(d.data()) == 0:
			return d.rejectRest(d.endReason("array"))
		case c == ']':
			return d.arrayEnd()
		case c != ',':
			return d.rejectRest(fmt.Sprintf("array: found %s behind an element, expected a comma or the closing bracket", head(d.data())))
		}
		d.drop(1)
		if _, err := d.skipSpace(); err != nil {
			return err
		}
	}
}

// arrayValue reads one element and tells whether the array is over, because the
// element's end cannot be found.
func (d *decoder) arrayValue() (over bool, err error) {
	if len(d.data()) == 0 {
		return true, d.rejectRest(d.endReason("array"))
	}
	v, err := d.judge()
	if err != nil {
		return false, err
	}
	switch v.extent {
	case extentKnown:
		return false, d.settle(v)
	case extentAhead:
		s := &skipper{}
		if err := d.skipValue(s); err != nil {
			return false, err
		}
		if s.done && !s.failed {
			return false, d.reject(v.reason)
		}
	}
	if d.broken() && len(d.data()) == 0 {
		v.reason = d.explain(d.end)
	}
	return true, d.rejectRest(v.reason)
}

func (d *decoder) arrayEnd() error {
	d.drop(1)
	if _, err := d.skipSpace(); err != nil {
		return err
	}
	switch {
	case len(d.data()) > 0:
		return d.rejectRest(fmt.Sprintf("array: found %s behind the closing bracket, expected nothing", head(d.data())))
	case d.broken():
		return d.rejectRest(d.explain(d.end))
	}
	return nil
}

// endReason is the reason for a value that the end of the text cuts off.
func (d *decoder) endReason(what string) string {
	if d.broken() {
		return d.explain(d.end)
	}
	return what + ": found the end of the object inside it, expected its rest"
}

// extent is what is known about where a value ends.
type extent int

const (
	// extentKnown: the value is sound JSON, size bytes of it.
	extentKnown extent = iota
	// extentAhead: too large or too deep to be read, brackets tell the end.
	extentAhead
	// extentUnknown: no JSON, or the object ends inside it.
	extentUnknown
	// extentCut: the compression breaks off inside it.
	extentCut
)

type verdict struct {
	extent extent
	size   int
	update movie.Update
	reason string
}

// settle yields the verdict on a value whose extent is known.
func (d *decoder) settle(v verdict) error {
	if v.reason == "" {
		d.drop(v.size)
		return d.accept(v.update, v.size)
	}
	d.take(v.size)
	return d.reject(v.reason)
}

// judge decodes the value at the start of the window, which grows until the
// verdict can't be changed by what follows. As it doubles, a value is read a
// bounded number of times.
func (d *decoder) judge() (verdict, error) {
	for {
		data := d.data()
		data = data[:min(len(data), MaxUpdate+1)]
		v, near := d.parser.parse(data)
		if !near {
			return v, nil
		}
		if v.size > MaxUpdate {
			return verdict{extent: extentAhead, reason: tooLarge}, nil
		}
		more, err := d.more()
		if err != nil || !more {
			return d.lastVerdict(v), err
		}
	}
}

// lastVerdict is the one on a value behind which there is no more.
func (d *decoder) lastVerdict(v verdict) verdict {
	if v.extent == extentUnknown && v.reason == "" {
		v.reason = d.endReason("update")
		if d.broken() {
			v.extent = extentCut
		}
	}
	return v
}

// skipValue takes a value that is not to be read.
func (d *decoder) skipValue(s *skipper) error {
	for {
		d.take(s.skip(d.data()))
		if s.done {
			return nil
		}
		if more, err := d.more(); err != nil || !more {
			return err
		}
	}
}

// skipToLine takes everything before the next line that begins with a brace.
// What stands at the start is the value given up.
func (d *decoder) skipToLine() error {
	for {
		data := d.data()
		if i := bytes.Index(data, []byte("\n{")); i >= 0 {
			d.take(i + 1)
			return nil
		}
		// The brace may be the next byte to come.
		keep := 0
		if bytes.HasSuffix(data, []byte("\n")) {
			keep = 1
		}
		d.take(len(data) - keep)
		if more, err := d.more(); err != nil {
			return err
		} else if !more {
			d.take(keep)
			return nil
		}
	}
}
