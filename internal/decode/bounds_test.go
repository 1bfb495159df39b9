package decode

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// repeated returns a reader of n copies of a block, without holding them in memory.
func repeated(block []byte, n int) io.Reader { return &repeater{block: block, left: n} }

type repeater struct {
	block  []byte
	offset int
	left   int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.block[r.offset:])
	if r.offset += n; r.offset == len(r.block) {
		r.offset, r.left = 0, r.left-1
	}
	return n, nil
}

// TestBounds reads hostile objects: memory is bounded by a constant, time by the size.
func TestBounds(t *testing.T) {
	const mega = 1 << 20
	zeros := make([]byte, 8*mega)
	spaces := bytes.Repeat([]byte(" "), 8*mega)
	spaced := append(bytes.Clone(spaces[:mega]), movieJSON("A", 1)...)
	bomb := func(format string) string {
		return "object: found a decompression bomb (" + format + "), expected at most 64 MiB and 200 times the compressed size"
	}
	for name, test := range map[string]struct {
		object io.Reader
		want   []string
	}{
		"5 GiB of zeros, gzip":  {repeated(gzipped(zeros), 640), []string{bomb(formatGzip)}},
		"5 GiB of zeros, zstd":  {repeated(zstded(zeros), 640), []string{bomb(formatZstd)}},
		"5 GiB of spaces, gzip": {repeated(gzipped(spaces), 640), []string{bomb(formatGzip)}},
		"no bomb": {io.MultiReader(repeated(gzipped(spaces), 4), bytes.NewReader(gzipped(spaced))),
			[]string{"A 1"}},
		"a line of 100 MB":   {repeated(bytes.Repeat([]byte(`{"x":"`), 1000), 100*mega/6000), []string{"update: found invalid character 'x' after object value (expecting ',' or '}') at byte 9, expected sound JSON"}},
		"a string of 100 MB": {io.MultiReader(strings.NewReader(`{"x":"`), repeated(spaces, 13), strings.NewReader(`"}{}`)), []string{tooLarge, "title: found nothing, expected a string"}},
		"brackets":           {io.MultiReader(strings.NewReader(`{"x":`), repeated(bytes.Repeat([]byte("["), mega), 50)), []string{tooDeep}},
		"an array of them":   {repeated(bytes.Repeat([]byte("["), mega), 50), []string{tooDeep}},
	} {
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		items, err := readAll(test.object)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, outline(items)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 24*mega {
			t.Errorf("%s: allocated %d MiB", name, took/mega)
		}
		t.Logf("%s: %v", name, time.Since(start).Round(time.Millisecond))
	}
}

// live returns the bytes in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // the second one empties sync.Pool
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measured samples the memory in use while it is read: at each MiB, and at the end.
type measured struct {
	io.Reader
	before, peak int64
	read         int64
	samples      int64
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if m.read += int64(n); m.read>>20 >= m.samples || err != nil {
		m.samples++
		m.peak = max(m.peak, live()-m.before)
	}
	return n, err
}

// TestManyLines reads lines that each begin a value without an end: memory stays bounded.
func TestManyLines(t *testing.T) {
	const (
		large = 16 << 20 // twice as many bytes as the memory may be
		small = 1 << 19  // each of these short lines is an item, which takes time
	)
	spaces := strings.Repeat(" ", 247)
	for _, test := range []struct {
		line string
		size int
	}{
		{"oops\n", large}, {"{\"a\":[1,\n", large}, {"{\"a\":\n", large}, {"[\n", large}, {"{\"a\":[" + strings.Repeat("1,", 5000) + "\n", large},
		{"{\n", small}, {"{" + spaces + "\n", large}, {"{\"a\":1},\n", small}, {"{\"a\":1}," + spaces + "\n", large},
	} {
		start := time.Now()
		line, lines := test.line, test.size/len(test.line)
		items := 0
		object := &measured{Reader: repeated([]byte(line), lines), before: live()}
		if err := Read(object, func(Item) error { items++; return nil }); err != nil {
			t.Errorf("%q: %v", cut(line, maxQuoted), err)
		}
		if items > 2*lines || object.peak > 8<<20 || object.samples <= int64(lines*len(line)>>20) {
			t.Errorf("%q: %d items, %d bytes in %d samples", cut(line, maxQuoted), items, object.peak, object.samples)
		}
		t.Logf("%q: %d items, %d bytes, %v", fmt.Sprintf("%.20s", line), items, object.peak, time.Since(start).Round(time.Millisecond))
	}
}

// TestLongNames: names of unknown fields take little memory, however long they are, also where
// they are kept.
func TestLongNames(t *testing.T) {
	const lines = 16 // twice as many bytes as the memory may be
	var readers []io.Reader
	for i := range lines {
		readers = append(readers, strings.NewReader(fmt.Sprintf(`{"title":"a","year":1,"%06d`, i)), repeated([]byte("x"), MaxUpdate-100), strings.NewReader("\":1}\n"))
	}
	var kept []string
	object := &measured{Reader: io.MultiReader(readers...), before: live()}
	if err := Read(object, func(item Item) error { kept = append(kept, item.Ignored...); return nil }); err != nil || len(kept) != lines {
		t.Errorf("%d names, %v", len(kept), err)
	}
	if object.peak > 8<<20 {
		t.Errorf("%d bytes in %d samples", object.peak, object.samples)
	}
}

// TestLimits checks values that are too large or too deep to parse.
func TestLimits(t *testing.T) {
	a, b := movieJSON("A", 1), movieJSON("B", 2)
	sized := func(n int) string {
		frame := `{"title":"X","year":3,"x":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("y", n-len(frame))+`"`, 1)
	}
	deep := strings.Repeat("[", 100_000)
	lines := func(x string) string { // nested movies at the beginning of lines
		if x[0] == 'y' {
			x = `"` + x + `"`
		}
		return "{\"similar\":\n[\n{\"title\":\"A\",\"year\":1},\n{\"title\":\"C\",\"year\":\n{\"x\":1}\n}\n],\"x\":" + x + "\n}\n"
	}
	for name, test := range map[string]struct {
		object string
		want   []string
	}{
		"largest":               {a + sized(MaxUpdate) + b, []string{"A 1", "X 3", "B 2"}},
		"too large":             {a + sized(MaxUpdate+1) + b, []string{"A 1", tooLarge, "B 2"}},
		"much too large":        {a + "\n" + sized(5*MaxUpdate) + "\n" + b, []string{"A 1", tooLarge, "B 2"}},
		"too large and wrong":   {strings.Replace(sized(2*MaxUpdate), "3", "true", 1) + b, []string{tooLarge, "B 2"}},
		"too large and open":    {a + "\n" + strings.TrimSuffix(sized(2*MaxUpdate), "}") + "\n" + b, []string{"A 1", tooLarge, "B 2"}},
		"too large string":      {`"` + strings.Repeat(`\"`, MaxUpdate) + `"` + b, []string{tooLarge, "B 2"}},
		"too large number":      {strings.Repeat("1", 2*MaxUpdate) + b, []string{tooLarge, "B 2"}},
		"endless string":        {a + `"` + strings.Repeat("x", 3*MaxUpdate) + "\n" + b, []string{"A 1", tooLarge, "B 2"}},
		"element too large":     {"[" + a + "," + sized(MaxUpdate+1) + "," + b + "]", []string{"A 1", tooLarge, "B 2"}},
		"number in an array":    {"[" + strings.Repeat("1", 2*MaxUpdate) + "," + b + "]", []string{tooLarge, "B 2"}},
		"deep line":             {a + `{"x":` + deep + "\n" + b, []string{"A 1", tooDeep, "B 2"}},
		"large, by lines":       {lines(strings.Repeat("y", MaxUpdate)) + b, []string{tooLarge, "B 2"}},
		"deep, by lines":        {lines(nested(100_000)) + b, []string{tooDeep, "B 2"}},
		"large, by lines, open": {strings.TrimSuffix(lines(strings.Repeat("y", MaxUpdate)), "}\n") + b, []string{tooLarge, "B 2"}},
		"deep value":            {`{"x":` + nested(100_000) + "}" + b, []string{tooDeep, "B 2"}},
		"deep element":          {"[" + nested(100_000) + "," + b + "]", []string{tooDeep, "B 2"}},
		"deep array":            {"[" + a + "," + deep + "\n" + b, []string{"A 1", tooDeep}},
		"white space":           {a + strings.Repeat(" ", 3*MaxUpdate) + b, []string{"A 1", "B 2"}},
	} {
		for pack, packed := range packings([]byte(test.object)) {
			items := mustRead(t, packed)
			if diff := cmp.Diff(test.want, outline(items)); diff != "" {
				t.Errorf("%s, %s: %s", name, pack, diff)
			}
		}
	}
}
