package decode

import (
	"bytes"
	"strings"
	"testing"
)

// TestKeptBytes: a rejection keeps the first MaxKept bytes, and says whether these are all.
func TestKeptBytes(t *testing.T) {
	check := func(name string, object []byte, want int, truncated bool) {
		t.Helper()
		items := mustRead(t, object)
		if len(items) == 0 || items[0].Reason == "" || len(items[0].Bytes) != want || items[0].Truncated != truncated {
			t.Errorf("%s: %d items, %d bytes kept, truncated %t", name, len(items), len(items[0].Bytes), items[0].Truncated)
		}
	}
	for size, truncated := range map[int]bool{MaxKept - 1: false, MaxKept: false, MaxKept + 1: true, 20 * MaxKept: true} {
		fill := func(begin, end string) []byte {
			return []byte(begin + strings.Repeat("x", size-len(begin)-len(end)) + end)
		}
		kept := min(size, MaxKept)
		check("a line", append(fill(`{"title":"`, `"}`), "\n"+`{"title":"A","year":1}`...), kept, truncated)
		check("the last line", fill(`{"title":"`, `"}`), kept, truncated)
		check("another format", fill("PK\x03\x04", ""), kept, truncated)
		check("compressed", append(gzipped(nil)[:10], fill("\xff", "")[10:]...), kept, truncated)
	}
}

// TestNoBomb: what is decompressed may have MaxInflated bytes, however small it was.
func TestNoBomb(t *testing.T) {
	object := zstded(append(bytes.Repeat([]byte(" "), MaxInflated), `{"title":"A","year":1}`...))
	if got := outline(mustRead(t, object)); len(got) != 1 || got[0] != "A 1" {
		t.Errorf("%d KiB: %q", len(object)>>10, got)
	}
}
