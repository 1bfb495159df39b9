//go:build unix

package dirbucket

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"jpmovies/internal/bucket"
)

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// configMap returns a folder like a mounted Kubernetes ConfigMap with a key, and one in a
// subfolder.
func configMap(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "..2026_01/a.json", "first")
	write(t, dir, "..2026_01/sub/b.json", "second")
	link(t, "..2026_01", filepath.Join(dir, "..data"))
	link(t, filepath.Join("..data", "a.json"), filepath.Join(dir, "a.json"))
	link(t, filepath.Join("..data", "sub"), filepath.Join(dir, "sub"))
	return dir
}

func content(t *testing.T, b *Bucket, key string) (bucket.Object, string) {
	t.Helper()
	o, body, err := b.Get(t.Context(), key)
	if err != nil {
		t.Errorf("get %q: %v", key, err)
		return o, ""
	}
	text, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Errorf("read %q: %v", key, err)
	}
	return o, string(text)
}

func TestConfigMap(t *testing.T) {
	dir := configMap(t)
	var log strings.Builder
	b := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if got := mustList(t, b); got != "a.json sub/b.json" {
		t.Fatalf("listed %q", got)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	o, text := content(t, b, "a.json")
	if text != "first" || o.Size != 5 {
		t.Errorf("read %q, %+v", text, o)
	}
	inSub, text := content(t, b, "sub/b.json")
	if text != "second" {
		t.Errorf("read %q", text)
	}

	// Kubernetes replaces all files at once: each is a new generation.
	write(t, dir, "..2026_02/a.json", "newer")
	link(t, "..2026_02", filepath.Join(dir, "..data_tmp"))
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), []bucket.Ref{o.Ref})[0]; !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("delete of the old generation: %v", err)
	}
	if _, text := content(t, b, "a.json"); text != "newer" {
		t.Errorf("read %q", text)
	}
	if err := b.Delete(t.Context(), []bucket.Ref{inSub.Ref})[0]; !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("delete of a missing object: %v", err)
	}
}

// TestDeleteRemovesTheLink: the file stays, since it may have other names.
func TestDeleteRemovesTheLink(t *testing.T) {
	dir := configMap(t)
	write(t, dir, "real.json", "real")
	link(t, filepath.Join(dir, "real.json"), filepath.Join(dir, "deep", "absolute.json"))
	b := open(t, dir, Options{})
	for _, key := range []string{"a.json", "deep/absolute.json", "sub/b.json"} {
		o, _ := content(t, b, key)
		if err := b.Delete(t.Context(), []bucket.Ref{o.Ref})[0]; err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	if got := mustList(t, b); got != "real.json" {
		t.Errorf("listed %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "..data", "a.json")); err != nil {
		t.Errorf("the file was deleted with its link: %v", err)
	}
	for _, folder := range []string{".", "deep", "sub"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), asidePrefix) {
				t.Errorf("left: %s/%s", folder, entry.Name())
			}
		}
	}
}

// TestLinkComparedAside: a moved link leads to the same file as before, so a new generation
// survives.
func TestLinkComparedAside(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, ".hidden/a.json", "second")
	link(t, filepath.Join("..", ".hidden", "a.json"), filepath.Join(dir, "aside", "moved"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := open(t, dir, Options{}).compareAndRemove(root, filepath.Join("in", "a.json"), filepath.Join("aside", "moved"), `"first"`); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("compare and remove: %v", err)
	}
}

func TestSkippedLinks(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "x.json", "secret")
	dir := t.TempDir()
	write(t, dir, "real/a.json", "{}")
	for name, target := range map[string]string{
		"out.json": filepath.Join(outside, "x.json"), "up.json": "../x.json", "nowhere.json": "missing", "loop.json": "loop.json", "folder": outside,
	} {
		link(t, target, filepath.Join(dir, name))
	}
	link(t, ".", filepath.Join(dir, "self"))
	link(t, "real", filepath.Join(dir, "alias"))
	link(t, "..", filepath.Join(dir, "real", "parent"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	b := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		if got := mustList(t, b); got != "real/a.json" {
			t.Fatalf("listed %q", got)
		}
	}
	if n := strings.Count(log.String(), "symbolic links"); n != 1 || !strings.Contains(log.String(), "files=5") {
		t.Errorf("%d warnings about five links: %s", n, log.String())
	}
	if n := strings.Count(log.String(), "not regular files"); n != 1 {
		t.Errorf("%d warnings about the pipe: %s", n, log.String())
	}
	for _, key := range []string{"out.json", "up.json", "nowhere.json", "folder/x.json", "pipe.json"} {
		if _, _, err := b.Get(t.Context(), key); !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("get %q: %v", key, err)
		}
		if err := b.Delete(t.Context(), []bucket.Ref{{Key: key, ETag: "x"}})[0]; !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("delete %q: %v", key, err)
		}
	}
}
