package decode

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// parser decodes single values, again and again without new memory.
type parser struct {
	input  bytes.Buffer
	strict jsontext.Decoder
	// lenient only finds the end of a value that strict will not have.
	lenient jsontext.Decoder
	names   []string
	scratch []byte
	ignored ignoring
}

// release lets go of the caller's data, and of what one large update needed.
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

// lookahead is in bytes: so far before the end of the data a syntax error may
// still be described differently when more comes, like half a letter.
const lookahead = 32

// parse judges the value at the start of data. It is near the end of the data
// when more data might change the verdict; a value that is cut off there has an
// unknown extent and no reason yet.
func (p *parser) parse(data []byte) (v verdict, near bool) {
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
		v = verdict{size: size, reason: faultReason(err, data[:size])}
		// A number might go on.
		return v, size > MaxUpdate || size == len(data) && data[0] != '{'
	case errors.Is(extentErr, errDepth):
		return verdict{extent: extentAhead, reason: tooDeep}, false
	case errors.Is(extentErr, io.ErrUnexpectedEOF):
		return cutOff(data), true
	}
	var s *jsontext.SyntacticError
	near = errors.As(extentErr, &s) && s.ByteOffset+lookahead > int64(len(data))
	return verdict{extent: extentUnknown, reason: syntaxReason(extentErr)}, near
}

var errNoObject = errors.New("no object")

func cutOff(data []byte) verdict { return verdict{extent: extentUnknown, size: len(data)} }

func faultReason(err error, raw jsontext.Value) string {
	var f fault
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

// skip finds the end of a value by the plain grammar of JSON.
func (p *parser) skip(data []byte) (int, error) {
	p.start(&p.lenient, data, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	err := skipValue(&p.lenient)
	return int(p.lenient.InputOffset()), err
}

// skipValue reads over a value of any kind, but not over a deep one.
func skipValue(dec *jsontext.Decoder) error { return skipTo(dec, dec.StackDepth()) }

// skipTo reads until the values inside the given depth have ended.
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
