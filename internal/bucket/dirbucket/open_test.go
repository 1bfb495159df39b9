package dirbucket

import (
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"jpmovies/internal/bucket"
)

// TestNoOpenFiles: no operation leaves a file open.
func TestNoOpenFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("open files are counted in /proc")
	}
	b, err := Open(t.TempDir(), Options{Now: func() time.Time { return time.Now().Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		if err := b.Put(t.Context(), "a/b/c", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), "a/b/c", []byte("x")); err == nil {
			t.Error("a second object with the key")
		}
		for _, err := range b.List(t.Context()) {
			if err != nil {
				t.Error(err)
			}
		}
		for _, key := range []string{"a/b/c", "none", "a/b"} {
			o, body, err := b.Get(t.Context(), key)
			if (err == nil) != (key == "a/b/c") {
				t.Errorf("%s: %v", key, err)
			}
			if err != nil {
				continue
			}
			_, _ = io.Copy(io.Discard, body)
			_ = body.Close()
			b.Delete(t.Context(), []bucket.Ref{{Key: key, ETag: "other"}, o.Ref})
		}
	}
	count := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(files)
	}
	use()
	before := count()
	for range 20 {
		use()
	}
	if after := count(); after >= before+20 {
		t.Errorf("%d open files, %d before", after, before)
	}
}
