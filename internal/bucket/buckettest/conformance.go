package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"jpmovies/internal/bucket"
)

// Harness is an empty bucket and its properties.
type Harness struct {
	// Open returns the bucket. It lists the keys with the prefix, in pages of 100.
	Open func(t *testing.T, prefix string) bucket.Store
	// Put creates or overwrites an object, which can be read at once.
	Put func(t *testing.T, key string, content []byte)
	// Keys are unusual keys that this kind of bucket supports.
	Keys []string
	// SilentlyGone allows Delete to return nil for a missing object.
	SilentlyGone bool
	// NoMarkers says that no key can end in "/".
	NoMarkers bool
	// Many is the number of objects in the larger tests; 0 means 2,100.
	Many int
}

// OddKeys are unusual keys that every kind of bucket should support.
var OddKeys = []string{
	"plain.json", "with space.json", "a+b%20c%2Fd.json", "日本語/映画.json", "e\u0301.json", "\u00e9.json", "a/b/c/d.json",
	"quote\"'<&>.json", "tab\tline\nreturn\r.json", "emoji-😀.json", "question?x=1&y=2#z.json", "back\\slash.json",
	"~tilde(par)*!.json", strings.Repeat("long/", 200) + "x.json",
}

// WildKeys are unusual keys that a bucket of files does not support.
var WildKeys = []string{
	"../up.json", "./here.json", "/leading.json", "double//slash.json", ".hidden", "a/../b.json", "..", "bell\u0007.json",
	"file", "file/below.json", strings.Repeat("k", bucket.MaxKey),
}

// Run checks that a bucket keeps the contract of bucket.Store. It calls open for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	tests := []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"ListEmpty", testListEmpty},
		{"ListPages", testListPages},
		{"ListPrefix", testListPrefix},
		{"OddKeys", testOddKeys},
		{"Get", testGet},
		{"GetMissing", testGetMissing},
		{"Delete", testDelete},
		{"DeleteMany", testDeleteMany},
		{"DeleteRepeated", testDeleteRepeated},
		{"OverwrittenSurvives", testOverwrittenSurvives},
		{"Markers", testMarkers},
		{"Concurrent", testConcurrent},
		{"Cancelled", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(t, open(t)) })
	}
}

func testOddKeys(t *testing.T, h Harness) {
	for _, key := range h.Keys {
		h.Put(t, key, []byte(key))
	}
	store := h.Open(t, "")
	wantKeys(t, store, h.Keys)
	var refs []bucket.Ref
	for _, key := range h.Keys {
		o, content := read(t, store, key)
		if o.Key != key || string(content) != key {
			t.Errorf("get %q: key %q, content %q", key, o.Key, content)
		}
		refs = append(refs, o.Ref)
	}
	for i, err := range store.Delete(t.Context(), refs) {
		if err != nil {
			t.Errorf("delete %q: %v", refs[i].Key, err)
		}
	}
	wantKeys(t, store, nil)
}

func testGet(t *testing.T, h Harness) {
	store := h.Open(t, "")
	contents := [][]byte{[]byte("first"), []byte("other"), bytes.Repeat([]byte("long "), 100_000), nil}
	seen := map[string]bool{}
	for _, content := range contents {
		h.Put(t, "key", content)
		o, got := read(t, store, "key")
		if !bytes.Equal(got, content) || o.Size != int64(len(content)) {
			t.Errorf("got %d bytes, Size %d, want %d", len(got), o.Size, len(content))
		}
		again, _ := read(t, store, "key")
		if o.ETag == "" || o != again {
			t.Errorf("the same generation twice:\n%+v\n%+v", o, again)
		}
		if seen[o.ETag] {
			t.Errorf("ETag %s for another generation", o.ETag)
		}
		seen[o.ETag] = true
		if age := time.Since(o.LastModified); age < -time.Minute || age > time.Minute {
			t.Errorf("LastModified %v is not the time of the write", o.LastModified)
		}
		listed := listAll(t, store)
		if len(listed) != 1 || listed[0].ETag != o.ETag || listed[0].Size != o.Size {
			t.Errorf("listed as %+v, read as %+v", listed, o)
		}
	}
}

func testGetMissing(t *testing.T, h Harness) {
	h.Put(t, "there", []byte("x"))
	_, _, err := h.Open(t, "").Get(t.Context(), "not-there")
	if !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func testMarkers(t *testing.T, h Harness) {
	if h.NoMarkers {
		t.Skip("this kind of bucket has no folder markers")
	}
	h.Put(t, "folder/", nil)
	h.Put(t, "folder/a.json", []byte("{}"))
	for _, o := range listAll(t, h.Open(t, "")) {
		if bucket.Ignored(o) != (o.Key == "folder/") {
			t.Errorf("%+v: Ignored is %v", o, bucket.Ignored(o))
		}
	}
}

func testConcurrent(t *testing.T, h Harness) {
	store := h.Open(t, "")
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				key := fmt.Sprintf("worker-%d/%d", worker, i)
				h.Put(t, key, []byte(key))
				o, content := read(t, store, key)
				if string(content) != key {
					t.Errorf("%q holds %q", key, content)
				}
				if err := store.Delete(t.Context(), []bucket.Ref{o.Ref})[0]; err != nil {
					t.Errorf("delete %q: %v", key, err)
				}
				listAll(t, store)
			}
		})
	}
	group.Wait()
	wantKeys(t, store, nil)
}

func testCancelled(t *testing.T, h Harness) {
	store := h.Open(t, "")
	h.Put(t, "key", []byte("x"))
	o, _ := read(t, store, "key")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	failed := false
	for _, err := range store.List(ctx) {
		failed = err != nil
	}
	if !failed {
		t.Error("List ignores a cancelled context")
	}
	if _, _, err := store.Get(ctx, "key"); err == nil || errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("Get with a cancelled context: %v", err)
	}
	if err := store.Delete(ctx, []bucket.Ref{o.Ref})[0]; err == nil || errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("Delete with a cancelled context: %v", err)
	}
	wantKeys(t, store, []string{"key"})
}

func read(t *testing.T, store bucket.Store, key string) (bucket.Object, []byte) {
	t.Helper()
	o, body, err := store.Get(t.Context(), key)
	if err != nil {
		t.Errorf("get %q: %v", key, err)
		return o, nil
	}
	content, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Errorf("read %q: %v", key, err)
	}
	return o, content
}
