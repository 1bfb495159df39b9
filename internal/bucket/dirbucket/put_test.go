package dirbucket

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestPut: readers never see a part of an object, and Put replaces none.
func TestPut(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, Options{})
	if err := b.Put(t.Context(), "a/b/c.json", []byte("text")); err != nil {
		t.Fatal(err)
	}
	_, body, err := b.Get(t.Context(), "a/b/c.json")
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || string(content) != "text" {
		t.Errorf("%q, %v", content, err)
	}
	if err := b.Put(t.Context(), "a/b/c.json", []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second put: %v", err)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "a", "b", "c.json")); err != nil || string(content) != "text" {
		t.Errorf("content %q, %v", content, err)
	}
	for _, key := range []string{"", "../x", ".hidden", "a/../b", ".jpmovies-probe/x"} {
		if err := b.Put(t.Context(), key, []byte("text")); err == nil {
			t.Errorf("key %q is accepted", key)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "a", "b"))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestPutAtOnce: of several puts of a key at the same time one succeeds, and its object is whole.
// A name may be as long as the system allows.
func TestPutAtOnce(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, Options{})
	key := strings.Repeat("k", 250) + ".json"
	var puts sync.WaitGroup
	var put atomic.Int64 // size of what was put
	for i := range 20 {
		body := bytes.Repeat([]byte{'x'}, 100_000+i)
		puts.Go(func() {
			switch err := b.Put(t.Context(), key, body); {
			case err == nil && put.CompareAndSwap(0, int64(len(body))), errors.Is(err, fs.ErrExist):
			default:
				t.Errorf("put: %v", err)
			}
		})
	}
	puts.Wait()
	if info, err := os.Stat(filepath.Join(dir, key)); err != nil || info.Size() != put.Load() {
		t.Errorf("%v, want %d bytes: %v", info, put.Load(), err)
	}
}

// TestRenameNew: however a file is renamed, it does not replace another one.
func TestRenameNew(t *testing.T) {
	ways := map[string]func(root *os.Root, from, to string) error{
		"any": renameNew, "exclusively": renameExclusively, "by a link": renameByLink, "unless there": renameUnlessThere,
	}
	for name, way := range ways {
		dir := t.TempDir()
		write(t, dir, "new", "new")
		write(t, dir, "old", "old")
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = root.Close() }()
		err = way(root, "new", "old")
		if runtime.GOOS != "linux" && errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: onto another file: %v", name, err)
		}
		if err := way(root, "gone", "another"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a file that is gone: %v", name, err)
		}
		if err := way(root, "new", "other"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for file, want := range map[string]string{"old": "old", "other": "new"} {
			if text, err := os.ReadFile(filepath.Join(dir, file)); string(text) != want {
				t.Errorf("%s: %s: %q, %v", name, file, text, err)
			}
		}
	}
}
