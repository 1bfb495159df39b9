// Package mutation makes mistakes in the real source, for tests that must notice them.
package mutation

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Overlay replaces the text before, which must occur once in a file below internal, by the text
// after. It returns the file for the compiler's flag -overlay; the tree is not touched.
func Overlay(t *testing.T, file, before, after string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no caller")
	}
	path := filepath.Join(filepath.Dir(here), "..", "..", "internal", filepath.FromSlash(file))
	source, err := os.ReadFile(path) //nolint:gosec // a test names it
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), before); n != 1 {
		t.Fatalf("the text occurs %d times in %s, want once:\n%s", n, file, before)
	}
	dir := t.TempDir()
	mutated, list := filepath.Join(dir, filepath.Base(path)), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(mutated, []byte(strings.Replace(string(source), before, after, 1)), 0o600), //nolint:gosec // below TempDir
		os.WriteFile(list, text, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return list
}
