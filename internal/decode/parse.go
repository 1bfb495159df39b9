package decode

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// parser decodes single values. It reuses its memory.
type parser struct {
	input  bytes.Buffer
	strict jsontext.Decoder
	// lenient finds the end of a value that strict rejects.
	lenient jsontext.Decoder
	names   []string
	scratch []byte
	ignored ignoredFields
}

// release drops the caller's data, and the memory that a large update needed.
func (p *parser) release() {
	p.input = bytes.Buffer{}
	clear(p.names[:cap(p.names)])
	if cap(p.names) > MaxGenres {
		p.names = nil
	}
	if cap(p.scratch) > MaxTitle {
		p.scratch = nil
	}
}

// lookahead is in bytes: a syntax error so close to the end of the data may be another one
// when more data follows; half a UTF-8 sequence, for example.
const lookahead = 32

// parse parses the value at the start of data. undecided reports that more data may change
// the result, or that the value is longer than MaxUpdate: then v.size tells, and
// parseValue rejects it. A value cut off by the end of data has an unknown extent and no
// reason yet.
func (p *parser) parse(data []byte) (v result, undecided bool) {
	var err error
	v.size, err = p.decode(data, &v.update)
	if err == nil {
		return v, v.size > MaxUpdate
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return cutOff(data), true
	}
	size, extentErr := 0, err
	if !errors.Is(err, errDepth) {
		size, extentErr = p.skip(data)
	}
	switch {
	case extentErr == nil:
		v = result{size: size, reason: reasonOf(err, data[:size])}
		// More digits may follow a number.
		return v, size > MaxUpdate || size == len(data) && data[0] != '{'
	case errors.Is(extentErr, errDepth):
		return result{extent: extentAhead, reason: tooDeep}, false
	case errors.Is(extentErr, io.ErrUnexpectedEOF):
		return cutOff(data), true
	}
	var s *jsontext.SyntacticError
	undecided = errors.As(extentErr, &s) && s.ByteOffset+lookahead > int64(len(data))
	return result{extent: extentUnknown, reason: syntaxReason(extentErr)}, undecided
}

var errNoObject = errors.New("no object")

// cutOff is the result of a value that the end of data cuts off.
func cutOff(data []byte) result { return result{extent: extentUnknown, size: len(data)} }

// reasonOf returns the reason to reject a value whose end is known.
func reasonOf(err error, raw jsontext.Value) string {
	var f invalidError
	switch {
	case errors.Is(err, errNoObject):
		return "update: found " + found(raw) + ", expected an object"
	case errors.As(err, &f):
		return string(f)
	}
	return syntaxReason(err)
}

func (p *parser) start(dec *jsontext.Decoder, data []byte, opts ...jsontext.Options) {
	p.input = *bytes.NewBuffer(data)
	dec.Reset(&p.input, opts...)
}

// skip returns the length of a value by the grammar of JSON alone: duplicate names and
// invalid UTF-8 are allowed.
func (p *parser) skip(data []byte) (int, error) {
	p.start(&p.lenient, data, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := skipValue(&p.lenient)
	return int(p.lenient.InputOffset()), err
}

// skipValue skips a value of any kind; errDepth if it is too deep.
func skipValue(dec *jsontext.Decoder) error { return skipTo(dec, dec.StackDepth()) }

// skipTo reads tokens until the nesting is back at the depth given.
func skipTo(dec *jsontext.Decoder, outside int) error {
	for {
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		switch depth := dec.StackDepth(); {
		case depth > MaxDepth:
			return errDepth
		case depth == outside:
			return nil
		}
	}
}
