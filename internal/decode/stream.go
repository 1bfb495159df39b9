package decode

import (
	"bytes"
	"fmt"

	"jpmovies/internal/movie"
)

// sequence reads the values of an object that is no array.
func (d *decoder) sequence() error {
	for len(d.window.data()) > 0 {
		if err := d.sequenceValue(); err != nil {
			return err
		}
		if _, err := d.window.skipSpace(); err != nil {
			return err
		}
	}
	switch {
	case d.window.broken():
		return d.rejectRest(d.window.text.reason(d.window.end))
	case d.position == 0:
		return d.rejectRest("object: found nothing but white space, expected at least one update")
	}
	return nil
}

func (d *decoder) sequenceValue() error {
	v, err := d.parseValue()
	if err != nil {
		return err
	}
	s := &skipper{stopAtLine: true}
	switch v.extent {
	case extentKnown:
		return d.emit(v)
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
	case d.window.broken() && len(d.window.data()) == 0:
		return d.rejectRest(d.window.text.reason(d.window.end))
	}
	return d.reject(v.reason)
}

// array reads the elements of an array. Nothing may follow it.
func (d *decoder) array() error {
	d.window.drop(1)
	c, err := d.window.skipSpace()
	if err != nil {
		return err
	}
	if c == ']' {
		return d.arrayEnd()
	}
	for {
		if ended, err := d.arrayValue(); err != nil || ended {
			return err
		}
		c, err := d.window.skipSpace()
		switch {
		case err != nil:
			return err
		case len(d.window.data()) == 0:
			return d.rejectRest(d.endReason("array"))
		case c == ']':
			return d.arrayEnd()
		case c != ',':
			return d.rejectRest(fmt.Sprintf("array: found %s behind an element, expected a comma or the closing bracket", head(d.window.data())))
		}
		d.window.drop(1)
		if _, err := d.window.skipSpace(); err != nil {
			return err
		}
	}
}

// arrayValue reads one element. ended reports that the element's end is unknown, and the rest
// of the array was rejected.
func (d *decoder) arrayValue() (ended bool, err error) {
	if len(d.window.data()) == 0 {
		return true, d.rejectRest(d.endReason("array"))
	}
	v, err := d.parseValue()
	if err != nil {
		return false, err
	}
	switch v.extent {
	case extentKnown:
		return false, d.emit(v)
	case extentAhead:
		s := &skipper{}
		if err := d.skipValue(s); err != nil {
			return false, err
		}
		if s.done && !s.failed {
			return false, d.reject(v.reason)
		}
	}
	if d.window.broken() && len(d.window.data()) == 0 {
		v.reason = d.window.text.reason(d.window.end)
	}
	return true, d.rejectRest(v.reason)
}

func (d *decoder) arrayEnd() error {
	d.window.drop(1)
	if _, err := d.window.skipSpace(); err != nil {
		return err
	}
	switch {
	case len(d.window.data()) > 0:
		return d.rejectRest(fmt.Sprintf("array: found %s behind the closing bracket, expected nothing", head(d.window.data())))
	case d.window.broken():
		return d.rejectRest(d.window.text.reason(d.window.end))
	}
	return nil
}

// endReason returns the reason for a value that is cut off by the end of the text.
func (d *decoder) endReason(what string) string {
	if d.window.broken() {
		return d.window.text.reason(d.window.end)
	}
	return what + ": found the end of the object inside it, expected its rest"
}

// extent says what is known about the end of a value.
type extent int

const (
	// extentKnown: the value has size bytes. If reason is empty, it is a valid update;
	// else it may have duplicate names or invalid UTF-8.
	extentKnown extent = iota
	// extentAhead: the value is too large or too deep to parse; its brackets show the end.
	extentAhead
	// extentUnknown: the value is invalid JSON, or the object ends inside it.
	extentUnknown
	// extentCut: the compressed data ends or is corrupt inside the value.
	extentCut
)

// result is what is known about one value.
type result struct {
	extent extent
	size   int
	update movie.Update
	reason string
}

// emit yields a value whose extent is known, as an update or as a rejection.
func (d *decoder) emit(v result) error {
	if v.reason == "" {
		d.window.drop(v.size)
		return d.accept(v.update, v.size)
	}
	d.discard(v.size)
	return d.reject(v.reason)
}

// parseValue parses the value at the start of the window. It grows the window until more text
// cannot change the result. The window doubles, so all parsing together is linear.
func (d *decoder) parseValue() (result, error) {
	for {
		data := d.window.data()
		data = data[:min(len(data), MaxUpdate+1)]
		v, undecided := d.parser.parse(data)
		if !undecided {
			return v, nil
		}
		if v.size > MaxUpdate {
			return result{extent: extentAhead, reason: tooLarge}, nil
		}
		more, err := d.window.more()
		if err != nil || !more {
			return d.finalResult(v), err
		}
	}
}

// finalResult returns the result of the last value, which no more text follows.
func (d *decoder) finalResult(v result) result {
	if v.extent == extentUnknown && v.reason == "" {
		v.reason = d.endReason("update")
		if d.window.broken() {
			v.extent = extentCut
		}
	}
	return v
}

// skipValue discards a value that is not parsed.
func (d *decoder) skipValue(s *skipper) error {
	for {
		d.discard(s.skip(d.window.data()))
		if s.done {
			return nil
		}
		if more, err := d.window.more(); err != nil || !more {
			return err
		}
	}
}

// skipToLine discards all text before the next line that begins with a brace. The brace of
// the invalid value itself does not count.
func (d *decoder) skipToLine() error {
	for {
		data := d.window.data()
		if i := bytes.Index(data, []byte("\n{")); i >= 0 {
			d.discard(i + 1)
			return nil
		}
		keep := 0 // the brace may be the next byte to come
		if bytes.HasSuffix(data, []byte("\n")) {
			keep = 1
		}
		d.discard(len(data) - keep)
		if more, err := d.window.more(); err != nil {
			return err
		} else if !more {
			d.discard(keep)
			return nil
		}
	}
}
