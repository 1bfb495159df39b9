package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"jpmovies/internal/bucket"
)

// TestImportOfAChangedFile: a file that changed after it was read is listed again; unchanged
// files are done.
func TestImportOfAChangedFile(t *testing.T) {
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, size := range []int{5, 20_000} {
		for _, name := range names {
			if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		changeFile(t, names, int64(2*size))
	}
}

func changeFile(t *testing.T, names []string, size int64) {
	f, total, err := openFiles(append(names, names[0]))
	if err != nil || total != size {
		t.Fatalf("%d bytes, %v", total, err)
	}
	var read []bucket.Ref
	for _, name := range names {
		o, body, err := f.Get(t.Context(), filepath.ToSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
		read = append(read, o.Ref)
	}
	if err := os.WriteFile(names[1], []byte("second one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if errs := f.Delete(t.Context(), read); errs[0] != nil || !errors.Is(errs[1], bucket.ErrChanged) {
		t.Errorf("delete: %v", errs)
	}
	for page, err := range f.List(t.Context()) {
		if err != nil || len(page) != 1 || page[0].Key != filepath.ToSlash(names[1]) {
			t.Errorf("then there are %v, %v", page, err)
		}
	}
}
