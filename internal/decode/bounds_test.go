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

// TestManyLines reads lines that each begin a value without an end: memory stays bounded.
func TestManyLines(t *testing.T) {
	for _, line := range []string{"oops\n", "{\"a\":[1,\n", "{\"a\":\n", "{\n", "[\n", "{\"a\":[" + strings.Repeat("1,", 5000) + "\n", "{\"a\":1},\n"} {
		start := time.Now()
		lines := 1 << 19 / len(line)
		items := 0
		var peak uint64
		count := func(Item) error {
			if items++; items%10_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			return nil
		}
		if err := Read(repeated([]byte(line), lines), count); err != nil {
			t.Errorf("%q: %v", cut(line, maxQuoted), err)
		}
		if items > 2*lines || peak > 64<<20 {
			t.Errorf("%q: %d items, %d bytes", cut(line, maxQuoted), items, peak)
		}
		t.Logf("%q: %d items, %v", fmt.Sprintf("%.20s", line), items, time.Since(start).Round(time.Millisecond))
	}
}
