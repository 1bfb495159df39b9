package decode

import "strings"

// skipper finds the end of a value by its strings and brackets alone. Its memory is constant,
// whatever the value's size and depth.
type skipper struct {
	// stopAtLine also ends the value before a line that begins with a brace, where that is a
	// syntax error or the nesting is too deep.
	stopAtLine bool
	// done reports that the end was found; failed, that it is a syntax error.
	done, failed bool

	begun    bool
	scalar   bool
	inString bool
	escaped  bool
	newline  bool
	last     byte // that is no white space
	depth    int
}

// skip returns how many bytes of data belong to the value: all until done.
func (s *skipper) skip(data []byte) int {
	for i, c := range data {
		switch {
		case s.stopAtLine && s.newline && c == '{' && (s.depth > MaxDepth || strings.IndexByte(",:[", s.last) < 0):
			s.done = true
			return i
		case s.scalar && !strings.ContainsRune("+-.eE0123456789", rune(c)):
			s.done = true
			return i
		case s.inString && c < ' ':
			s.done, s.failed = true, true
			return i
		case s.inString:
			s.stringByte(c)
		default:
			s.structureByte(c)
		}
		s.newline = c == '\n'
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			s.last = c
		}
		if s.done {
			return i + 1
		}
	}
	return len(data)
}

func (s *skipper) stringByte(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = false
		s.done = s.depth == 0
	}
}

func (s *skipper) structureByte(c byte) {
	switch c {
	case '"':
		s.inString = true
	case '{', '[':
		s.depth++
	case '}', ']':
		s.depth--
		s.done = s.depth <= 0
	default:
		s.scalar = s.scalar || !s.begun
	}
	s.begun = true
}
