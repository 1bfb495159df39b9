package decode

import (
	"strings"
	"testing"
)

// TestSkipper: the end of a value is found, whatever it holds, in pieces of any size.
func TestSkipper(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth)
	for _, test := range []struct {
		value, rest  string
		stopAtLine   bool
		open, failed bool
	}{
		{value: "12.5e-3", rest: ",1"},
		{value: "-12E5", open: true},
		{value: `"a\"]b\\"`, rest: `"`},
		{value: `{"a}\\":[1,{"b":"]"}]}`, rest: "}"},
		{value: `[{},[]]`, rest: "\n{"},
		{value: `{"a":`, open: true},
		{value: `{"a`, rest: "\n\":1}", failed: true},
		{value: `["a`, rest: "\x1f\"]", failed: true},
		{value: `["a b"]`},
		{value: "{\"a\":1\n{}}", rest: "{"},

		{stopAtLine: true, value: "{\"a\":1\n", rest: "{"},
		{stopAtLine: true, value: "{\"a\" \n\n", rest: "{"},
		{stopAtLine: true, value: "{\"a\":\n{},\n\"b\":[\n{},\n{}]}", rest: "{"},
		{stopAtLine: true, value: "{\"a\":1\n {}}", rest: "{"},
		{stopAtLine: true, value: "{\"a\":\",\n", rest: "{", failed: true},
		{stopAtLine: true, value: deep + "\n{", open: true},
		{stopAtLine: true, value: deep + "[\n", rest: "{"},
	} {
		text := test.value + test.rest
		if test.failed {
			test.value = strings.TrimRight(test.value, "\n") // the control character is behind it
		}
		for _, size := range []int{1, 2, len(text)} {
			s := &skipper{stopAtLine: test.stopAtLine}
			n := 0
			for n < len(text) && !s.done {
				n += s.skip([]byte(text[n:min(len(text), n+size)]))
			}
			if n != len(test.value) || s.failed != test.failed || s.done == test.open && n < len(text) {
				t.Errorf("%.40q by %d: %d bytes of %d, done %v, failed %v", text, size, n, len(test.value), s.done, s.failed)
			}
		}
	}
}

// TestLineAtTheEndOfAWindow: the line behind a broken one is found wherever the text in memory
// ends.
func TestLineAtTheEndOfAWindow(t *testing.T) {
	for shift := -3; shift <= 3; shift++ {
		for _, size := range []int{smallWindow, 2 * smallWindow} {
			broken := `{"title" oops `
			text := broken + strings.Repeat("x", size+shift-len(broken)) + "\n" + movieJSON("B", 2) + "\n" + movieJSON("C", 3)
			items := outline(mustRead(t, []byte(text)))
			if len(items) != 3 || !strings.HasPrefix(items[0], "title: found ") || items[1] != "B 2" || items[2] != "C 3" {
				t.Errorf("%d bytes before the line: %.100q", size+shift, items)
			}
		}
	}
}
