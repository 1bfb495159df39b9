package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"jpmovies/internal/movie"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// samples returns objects of every kind, valid and broken.
func samples() map[string][]byte {
	a, b := movieJSON("A", 1), movieJSON("Amélie \U0001F600", 2001)
	text := map[string]string{
		"one":        a,
		"sequence":   a + b + "\n" + a,
		"array":      " [" + a + ",\n" + b + "," + a + "] ",
		"rejections": a + "\n{\"title\":3}\noops\n" + b + "\n{\"title\":\"x\",\"title\":\"\xff\"}\n{\"a\":",
		"cut array":  "[" + a + "," + b + ",{",
		"wrong tail": "[" + a + "] oops " + strings.Repeat("x", 100),
		"lines":      `{"title":"A","year":` + "\n" + b + "\n" + a,
		"deep":       "[" + a + "," + nested(200) + "," + b + "]",
		"empty":      "",
	}
	objects := map[string][]byte{"junk gzip": []byte("\x1f\x8b\x08oops"), "junk zstd": []byte("\x28\xb5\x2f\xfdoops")}
	for name, text := range text {
		for pack, packed := range packings([]byte(text)) {
			objects[name+" "+pack] = packed
			objects[name+" "+pack+" and junk"] = append(bytes.Clone(packed), "junk"...)
			objects[name+" "+pack+" cut"] = packed[:len(packed)*3/4]
		}
	}
	return objects
}

// large returns an object of several windows, with valid, invalid and large updates.
func large() []byte {
	var b bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&b, `{"title":"Movie %d","year":%d,"cast":["A","B %d"],"x":%q}`+"\n", i, 1+i%9999, i, strings.Repeat("é", i%100))
		switch i % 500 {
		case 7:
			b.WriteString("{\"title\":\n")
		case 99:
			fmt.Fprintf(&b, "{\"x\":%q}\n", strings.Repeat("y", i*300))
		}
	}
	return b.Bytes()
}

// TestReaderFails makes the reader fail at many bytes: Read returns that error, and the items
// before it are a prefix of all items.
func TestReaderFails(t *testing.T) {
	failures := []error{errors.New("reset"), io.ErrUnexpectedEOF, context.Canceled}
	objects := samples()
	for pack, packed := range packings(large()) {
		objects["large "+pack] = packed
	}
	for name, object := range objects {
		whole := mustRead(t, object)
		step := max(1, len(object)/25)
		for n := 0; n <= len(object); n += step {
			failure := failures[n/step%len(failures)]
			broken := io.MultiReader(bytes.NewReader(object[:n]), iotest.ErrReader(failure))
			if n%2 == 1 {
				broken = iotest.DataErrReader(broken)
			}
			items, err := readAll(broken)
			if !errors.Is(err, failure) {
				t.Fatalf("%s: broken at byte %d: error %v", name, n, err)
			}
			if !isPrefix(items, whole) {
				t.Fatalf("%s: broken at byte %d: the items are no prefix of all items", name, n)
			}
		}
	}
}

func isPrefix(items, whole []Item) bool {
	if len(items) > len(whole) {
		return false
	}
	for i := range items {
		if !reflect.DeepEqual(items[i], whole[i]) {
			return false
		}
	}
	return true
}

// TestIdleReader: Read gives up on a reader that never returns a byte.
func TestIdleReader(t *testing.T) {
	items, err := readAll(idle{})
	if !errors.Is(err, io.ErrNoProgress) || len(items) > 0 {
		t.Errorf("items %v, error %v", items, err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestChunking: the sizes of the reader's pieces do not change the items.
func TestChunking(t *testing.T) {
	objects := samples()
	for pack, packed := range packings(large()) {
		objects["large "+pack] = packed
	}
	for name, object := range objects {
		whole := mustRead(t, object)
		for how, r := range map[string]io.Reader{
			"one byte":       iotest.OneByteReader(bytes.NewReader(object)),
			"half":           iotest.HalfReader(bytes.NewReader(object)),
			"data and error": iotest.DataErrReader(bytes.NewReader(object)),
			"seven":          &chunks{data: object, sizes: []int{7}},
			"odd":            &chunks{data: object, sizes: []int{1, 4095, 0, 65537}},
		} {
			items, err := readAll(r)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, how, err)
			}
			if !isPrefix(items, whole) || len(items) != len(whole) {
				t.Fatalf("%s, %s: %s", name, how, cmp.Diff(whole, items))
			}
		}
	}
}

// chunks returns data in pieces of the sizes, in turn.
type chunks struct {
	data  []byte
	sizes []int
	next  int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := min(c.sizes[c.next%len(c.sizes)], len(c.data), len(p))
	c.next++
	copy(p, c.data[:n])
	c.data = c.data[n:]
	return n, nil
}

// TestBrokenCompression: the updates before the damage are yielded, and the rest is one
// rejection.
func TestBrokenCompression(t *testing.T) {
	lines := large()
	if len(lines) < 2*MaxVerified {
		t.Fatalf("only %d bytes", len(lines))
	}
	var array []string
	for i := range 60_000 {
		array = append(array, movieJSON(fmt.Sprint("Movie ", i), 1+i%movie.MaxYear))
	}
	for _, text := range [][]byte{lines, []byte("[" + strings.Join(array, ",") + "]")} {
		breakCompression(t, text)
	}
}

func breakCompression(t *testing.T, text []byte) {
	whole := outline(mustRead(t, text))
	for _, format := range []string{formatGzip, formatZstd} {
		packed := packings(text)[format]
		for n := 4; n < len(packed); n += 1 + len(packed)/10 {
			if last := checkBroken(t, whole, packed[:n], "truncated "+format); n > len(packed)*9/10 && last == 0 {
				t.Errorf("%d of %d bytes of %s give nothing", n, len(packed), format)
			}
			flipped := bytes.Clone(packed)
			flipped[n] ^= 0x55
			items := outline(mustRead(t, flipped))
			// Some bits of a header have no meaning.
			if last := items[len(items)-1]; !strings.Contains(last, ": found ") && len(items) != len(whole) {
				t.Errorf("%s with byte %d flipped ends with %s", format, n, last)
			}
		}
	}
}

// TestSmallBrokenCompression: a small object with any bit flipped, or cut anywhere, yields all
// of its updates or none.
func TestSmallBrokenCompression(t *testing.T) {
	text := []byte(strings.Repeat(movieJSON("A", 1)+"\n"+movieJSON("B", 22)+"\n", 3))
	whole := outline(mustRead(t, text))
	for format, packed := range packings(text) {
		if format == formatPlain {
			continue
		}
		for n := 4; n < len(packed); n++ {
			for bit := range 8 {
				flipped := bytes.Clone(packed)
				flipped[n] ^= 1 << bit
				if got := outline(mustRead(t, flipped)); !slices.Equal(got, whole) && (len(got) != 1 || !strings.HasPrefix(got[0], "object: found ")) {
					t.Errorf("%s with bit %d of byte %d flipped gives %q", format, bit, n, got)
				}
			}
			if items := mustRead(t, packed[:n]); len(items) != 1 || !bytes.Equal(items[0].Bytes, packed[:n]) || items[0].Truncated {
				t.Errorf("%d bytes of %s give %+v", n, format, items)
			}
		}
	}
}

func checkBroken(t *testing.T, whole []string, object []byte, what string) (last int) {
	t.Helper()
	items := mustRead(t, object)
	lines := outline(items)
	last = len(lines) - 1
	if lines[last] != "object: found "+what+", expected all of it" {
		t.Errorf("%d bytes of %s end with %q", len(object), what, lines[last])
	}
	if !slices.Equal(whole[:last], lines[:last]) {
		t.Errorf("%d bytes of %s give other updates", len(object), what)
	}
	if last == 0 && len(items[0].Bytes) == 0 {
		t.Errorf("%d bytes of %s: nothing kept", len(object), what)
	}
	return last
}

// TestSeveralMembers: an object may have several compressed parts, and a cut last one is
// detected.
func TestSeveralMembers(t *testing.T) {
	a, b := movieJSON("A", 1), movieJSON("B", 2)
	named := []byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name")
	skippable := []byte("\x51\x2a\x4d\x18\x03\x00\x00\x00abc")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	cutGzip := "object: found truncated gzip, expected all of it"
	for _, test := range []struct {
		object []byte
		want   []string
	}{
		{join(gzipped([]byte(a+b[:5])), gzipped(nil), gzipped([]byte(b[5:]))), []string{"A 1", "B 2"}},
		{join(zstded([]byte(a+b[:5])), skippable, zstded([]byte(b[5:]))), []string{"A 1", "B 2"}},
		{join(skippable, zstded([]byte(a))), []string{"A 1"}},
		{join(gzipped([]byte(a)), named), []string{cutGzip}},
		{join(gzipped([]byte(a)), named[:3]), []string{cutGzip}},
		{named, []string{cutGzip}},
		{join(zstded([]byte(a)), skippable[:9]), []string{"object: found truncated zstd, expected all of it"}},
		{join(gzipped([]byte(a)), zstded([]byte(b))), []string{"object: found corrupt gzip (gzip: invalid header), expected sound data"}},
		{join(zstded([]byte(a)), gzipped([]byte(b))), []string{"object: found corrupt zstd (invalid input: magic number mismatch), expected sound data"}},
		{[]byte("\x28\xb5\x2f\xfd\x00\x90"), []string{"object: found zstd with a larger window, expected at most 8 MiB"}},
		{skippable, []string{"object: found nothing but white space, expected at least one update"}},
	} {
		if diff := cmp.Diff(test.want, outline(mustRead(t, test.object))); diff != "" {
			t.Errorf("%q: %s", test.object, diff)
		}
	}
}

// TestLargestWindow: zstd may use a window of MaxWindow bytes and no larger one.
func TestLargestWindow(t *testing.T) {
	for window, want := range map[int]string{MaxWindow: "A 1", 2 * MaxWindow: "object: found zstd with a larger window, expected at most 8 MiB"} {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, _ = w.Write(bytes.Repeat([]byte(" "), MaxWindow))
		}
		_, _ = w.Write([]byte(movieJSON("A", 1)))
		_ = w.Close()
		if diff := cmp.Diff([]string{want}, outline(mustRead(t, b.Bytes()))); diff != "" {
			t.Errorf("window of %d bytes: %s", window, diff)
		}
	}
	// A frame that tells the size of its content may have no window of its own.
	single, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithWindowSize(4*MaxWindow))
	if err != nil {
		t.Fatal(err)
	}
	object := single.EncodeAll(append(bytes.Repeat([]byte(" "), MaxWindow), movieJSON("A", 1)...), nil)
	if diff := cmp.Diff([]string{"object: found zstd with a larger window, expected at most 8 MiB"}, outline(mustRead(t, object))); diff != "" {
		t.Error(diff)
	}
}

// TestCorruptGzipAfterOthers: the reason does not depend on the object that the decoder has read
// before.
func TestCorruptGzipAfterOthers(t *testing.T) {
	const header = "\x1f\x8b\b\x00\x00\x00\x00\x00\x04\xff\x04\x00\x00\x00\xff"
	for corrupt, want := range map[string]string{
		header + "\x14ͦi\x9a0\x06\x1c\xcd,\xc4\x19\x86\xd2\x1f\xdfO\xb8\x95\xdf\xfb\xf5DX6&z\xad\xb5": "corrupt gzip (flate: corrupt input before offset 4), expected sound data",
		header + "\xcd,Ć\xd2\x1f\xdfO\xb8\x95\xdf\xfbX6":                                              "corrupt gzip (flate: corrupt input before offset 4), expected sound data",
	} {
		for name, before := range samples() {
			mustRead(t, before)
			if diff := cmp.Diff([]string{"object: found " + want}, outline(mustRead(t, []byte(corrupt)))); diff != "" {
				t.Errorf("after %q: %s", name, diff)
			}
		}
	}
}

// TestVerifiedToItsEnd: of a compressed object with at most MaxVerified bytes of text, none is used
// before all of it is known to be sound.
func TestVerifiedToItsEnd(t *testing.T) {
	for _, size := range []int{smallWindow, smallWindow + 1, 2*smallWindow + 1, MaxVerified / 2, MaxVerified - 1, MaxVerified} {
		text := []byte(movieJSON("A", 1) + "\n" + movieJSON("B", 2))
		text = append(text, bytes.Repeat([]byte("\n"), size-len(text))...)
		for format, packed := range packings(text) {
			if format == formatPlain {
				continue
			}
			flipped := bytes.Clone(packed)
			flipped[len(packed)-2] ^= 0x55 // in the checksum
			for name, broken := range map[string][]byte{"flipped": flipped, "cut": packed[:len(packed)-1]} {
				if items := outline(mustRead(t, broken)); len(items) != 1 || !strings.HasPrefix(items[0], "object: found ") {
					t.Errorf("%d bytes of text, %s %s: %q", size, format, name, items)
				}
			}
		}
	}
}

// TestValueAcrossAWindow: where the text in memory ends does not change what becomes of a value.
func TestValueAcrossAWindow(t *testing.T) {
	for _, value := range []string{
		`{"title":"é東\ud83d\ude00\u00e9","year":12,"cast":["é","e\u0301"],"x":[true,false,null,-1.5e+3]}`,
		`{"title":"A\ud800","year":2000}`, `{"title":"A","year":2000,"x":tru}`, `{"title":"A","year":2000,"x":01}`,
		`{"title":"A","year":2000,"x":"\q"}`, "{\"title\":\"A\",\"year\":2000,\"x\":\"\xe6\x9d\"}", `{"title":"A" "year":2000}`,
		`{"title":"A","year":2000,"x":1.}`, `{"title":"A","year":2000]`, `{"title":"A","title":"B","year":2000}`, `1234567890`, `nul`,
	} {
		want := outline(mustRead(t, []byte(movieJSON("A", 1)+"\n"+value+"\n"+movieJSON("Z", 3))))[1:]
		for ahead := range len(value) + 3 { // bytes of the value in the first window
			begin := movieJSON("A", 1)
			text := begin + strings.Repeat("\n", smallWindow-len(begin)-ahead) + value + "\n" + movieJSON("Z", 3)
			if got := outline(mustRead(t, []byte(text)))[1:]; !slices.Equal(got, want) {
				t.Errorf("%s with %d bytes before the end of the window: %q, want %q", value, ahead, got, want)
			}
		}
	}
}
