package dirbucket

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jpmovies/internal/bucket"
)

func etagOf(t *testing.T, dir, key string) string {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(key)))
	if err != nil {
		t.Fatal(err)
	}
	return etag(info)
}

// TestOverwrittenBeforeTheMove: a producer may overwrite the file between the first comparison
// and the move.
func TestOverwrittenBeforeTheMove(t *testing.T) {
	tests := []struct {
		name  string
		moved string // content of the moved file
		newer string // content of the file that now has the name; "" for none
		right bool   // the ETag is that of the moved file
		want  error
		left  string
	}{
		{"as read", "read", "", true, nil, ""},
		{"as read, and written anew", "read", "next", true, nil, "next"},
		{"overwritten before the move", "next", "", false, bucket.ErrChanged, "next"},
		{"overwritten twice", "next", "last", false, bucket.ErrChanged, "last"},
	}
	for _, test := range tests {
		dir := t.TempDir()
		write(t, dir, "aside/a.json", test.moved)
		want := `"wrong"`
		if test.right {
			want = etagOf(t, dir, "aside/a.json")
		}
		if test.newer != "" {
			write(t, dir, "a.json", test.newer)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, Options{}).compareAndRemove(root, "a.json", filepath.Join("aside", "a.json"), want); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		content, _ := os.ReadFile(filepath.Join(dir, "a.json"))
		if string(content) != test.left {
			t.Errorf("%s: %q is left, want %q", test.name, content, test.left)
		}
		if entries, _ := os.ReadDir(filepath.Join(dir, "aside")); len(entries) != 0 {
			t.Errorf("%s: %d files stay aside", test.name, len(entries))
		}
		_ = root.Close()
	}
}

// TestRestore: List puts back the files of a crash, but not those that a worker is deleting.
func TestRestore(t *testing.T) {
	now := time.Now()
	aside := func(age time.Duration) string { return fmt.Sprintf("%s%d-X", asidePrefix, now.Add(-age).Unix()) }
	dir := t.TempDir()
	b := open(t, dir, Options{Now: func() time.Time { return now.Add(time.Second) }, Quiet: time.Nanosecond})
	old, young, future := aside(2*time.Minute), aside(10*time.Second), aside(-24*time.Hour)
	long := strings.Repeat("x", 250) + ".json"
	for key, content := range map[string]string{
		old + "/a.json": "aside", old + "/b.json": "aside", "b.json": "newer",
		"sub/" + old + "/" + long: "aside", "sub/" + young + "/c.json": "aside",
		asidePrefix + "strange/d.json": "another program's",
		future + "/e.json":             "aside when the clock was wrong",
		"sub/" + old + "-f-1.json":     "aside", "sub/" + young + "-g.json": "aside", old + "-h.json": "aside", "h.json": "newer",
		asidePrefix + "strange-i.json": "another program's",
	} {
		write(t, dir, key, content)
	}
	for _, name := range []string{"a.json", "e.json", "sub/f-1.json"} {
		if first := mustList(t, open(t, dir, Options{Prefix: name, Now: b.now, Quiet: time.Nanosecond})); !strings.Contains(first, name) {
			t.Errorf("%q lists what it puts back, not %s", first, name)
		}
	}
	if got := mustList(t, b); got != "a.json b.json e.json h.json sub/f-1.json sub/"+long {
		t.Errorf("listed %q", got)
	}
	for _, name := range []string{"b.json", "h.json"} {
		if content, _ := os.ReadFile(filepath.Join(dir, name)); string(content) != "newer" {
			t.Errorf("%s is %q", name, content)
		}
	}
	for name, want := range map[string]bool{
		old: false, "sub/" + old: false, "sub/" + young: true, asidePrefix + "strange": true,
		"sub/" + old + "-f-1.json": false, "sub/" + young + "-g.json": true, old + "-h.json": false, asidePrefix + "strange-i.json": true,
	} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeleteLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, Options{})
	long := "sub/" + strings.Repeat("x", 250) + ".json"
	var refs []bucket.Ref
	for _, key := range []string{"a.json", "sub/b.json", long} {
		write(t, dir, key, "{}")
		refs = append(refs, bucket.Ref{Key: key, ETag: etagOf(t, dir, key)})
	}
	for i, err := range b.Delete(t.Context(), refs) {
		if err != nil {
			t.Errorf("%s: %v", refs[i].Key, err)
		}
	}
	for _, folder := range []string{"", "sub"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.Name() != "sub" {
				t.Errorf("%s stays", entry.Name())
			}
		}
	}
}

// TestOverwriteWhileDeleting: a producer overwrites a file again and again while workers
// delete the generations they have read. The last generation survives unless it was read.
func TestOverwriteWhileDeleting(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, Options{})
	var mu sync.Mutex
	deleted := map[string]bool{}
	last := ""
	stop := make(chan struct{})
	var producer, workers sync.WaitGroup
	producer.Go(func() {
		for i := range 2000 {
			write(t, dir, ".new", "")
			info, err := os.Lstat(filepath.Join(dir, ".new"))
			if err != nil {
				t.Error(err)
				return
			}
			if err := os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, "a.json")); err != nil {
				t.Errorf("%d: %v", i, err)
			}
			last = etag(info)
		}
	})
	for range 3 {
		workers.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				o, body, err := b.Get(t.Context(), "a.json")
				if err != nil {
					continue
				}
				_ = body.Close()
				if b.Delete(t.Context(), []bucket.Ref{o.Ref})[0] == nil {
					mu.Lock()
					deleted[o.ETag] = true
					mu.Unlock()
				}
			}
		})
	}
	producer.Wait()
	close(stop)
	workers.Wait()
	if got := mustList(t, b); got != "a.json" && !deleted[last] {
		t.Errorf("the last generation is gone though no worker deleted it; left: %q", got)
	}
}
