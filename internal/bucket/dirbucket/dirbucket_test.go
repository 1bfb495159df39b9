package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

// later is a clock by which every file of a test is quiet.
func later() time.Time { return time.Now().Add(time.Hour) }

func open(t *testing.T, dir string, o Options) *Bucket {
	t.Helper()
	if o.Now == nil {
		o.Now = later
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// written gives each file of the tests another time.
var written atomic.Int64

func write(t *testing.T, dir, key, content string) {
	t.Helper()
	name := filepath.Join(dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Error(err)
	}
	stamp := time.Now().Add(time.Duration(written.Add(1)) * time.Microsecond)
	if err := os.Chtimes(name, stamp, stamp); err != nil {
		t.Error(err)
	}
}

// TestInterruptedListing: a listing that its context ends is no whole one.
func TestInterruptedListing(t *testing.T) {
	dir := t.TempDir()
	for _, key := range []string{"a", "b", "c"} {
		write(t, dir, key, "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range open(t, dir, Options{PageSize: 1}).List(ctx) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("the listing ends with %v", last)
	}
}

// TestManyFolders: a listing does not hold all subfolders of a folder.
func TestManyFolders(t *testing.T) {
	dir := t.TempDir()
	for i := range 5000 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("%0200d", i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, last := range []string{"a", "b"} { // one of them is not read first, in whatever order
		write(t, dir, last+"/file", "x")
	}
	before := heap()
	var most uint64
	for _, err := range open(t, dir, Options{PageSize: 1}).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, heap())
	}
	if most == 0 || most > before+1<<20 {
		t.Errorf("a listing holds %d bytes, %d before", most, before)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestConforms(t *testing.T) {
	keys := slices.DeleteFunc(slices.Clone(buckettest.OddKeys), func(key string) bool {
		switch runtime.GOOS {
		case "windows":
			return strings.ContainsAny(key, "\"<>|?*\\\t\r\n")
		case "darwin":
			return strings.HasPrefix(key, "e\u0301") // one file with its composed form
		}
		return false
	})
	buckettest.Run(t, func(t *testing.T) buckettest.Harness {
		dir := t.TempDir()
		return buckettest.Harness{
			Open: func(t *testing.T, prefix string) bucket.Store {
				return open(t, dir, Options{Prefix: prefix, PageSize: 100})
			},
			Put:       func(t *testing.T, key string, content []byte) { write(t, dir, key, string(content)) },
			Keys:      keys,
			NoMarkers: true,
		}
	})
}

func TestOpenNeedsAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("a folder that does not exist was opened")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was created")
	}
}

// TestFolderIsRecreated: a missing folder is an error and no empty bucket, and a new one is
// listed.
func TestFolderIsRecreated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	write(t, dir, "a.json", "{}")
	b := open(t, dir, Options{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := list(t, b); err == nil {
		t.Error("a missing folder lists without error")
	}
	if _, _, err := b.Get(t.Context(), "a.json"); err == nil || errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("get: %v", err)
	}
	if err := b.Delete(t.Context(), []bucket.Ref{{Key: "a.json", ETag: "x"}})[0]; err == nil || errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	write(t, dir, "b.json", "{}")
	if got, err := list(t, b); err != nil || len(got) != 1 {
		t.Errorf("listed %v, error %v", got, err)
	}
}

func list(t *testing.T, b *Bucket) ([]bucket.Object, error) {
	t.Helper()
	var all []bucket.Object
	for page, err := range b.List(t.Context()) {
		if err != nil {
			return all, err
		}
		all = append(all, page...)
	}
	slices.SortFunc(all, func(a, b bucket.Object) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

func mustList(t *testing.T, b *Bucket) string {
	t.Helper()
	all, err := list(t, b)
	if err != nil {
		t.Error(err)
	}
	var keys []string
	for _, o := range all {
		keys = append(keys, o.Key)
	}
	return strings.Join(keys, " ")
}

func TestSkippedFiles(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	b := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, key := range []string{"yes.json", ".hidden", ".folder/a.json", "sub/.b.json", "sub/yes.json"} {
		write(t, dir, key, "{}")
	}
	if runtime.GOOS != "windows" {
		long := strings.Repeat("long/", 203)
		write(t, dir, long+"1234567890", "{}")
		write(t, dir, "broken\xff.json", "{}")
		for _, target := range []string{"yes.json", "sub", "/", "nowhere"} {
			if err := os.Symlink(target, filepath.Join(dir, "link-"+strings.Trim(target, "/"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := mustList(t, b); got != "link-yes.json sub/yes.json yes.json" && (runtime.GOOS != "windows" || got != "sub/yes.json yes.json") {
		t.Errorf("listed %q", got)
	}
	if runtime.GOOS != "windows" && strings.Count(log.String(), "files=2") != 2 {
		t.Errorf("no warning about two files and two links: %s", log.String())
	}
	for _, key := range []string{"", ".", "..", "../x", "/yes.json", "sub", "sub/", "sub//yes.json", ".hidden", "link-nowhere", "sub/../yes.json", "nul\x00"} {
		if _, _, err := b.Get(t.Context(), key); !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("get %q: %v, want ErrNotFound", key, err)
		}
		if err := b.Delete(t.Context(), []bucket.Ref{{Key: key, ETag: "x"}})[0]; !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("delete %q: %v, want ErrNotFound", key, err)
		}
	}
}

func TestSettling(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	b := open(t, dir, Options{Now: func() time.Time { return now }})
	settling := func() bool {
		t.Helper()
		all, err := list(t, b)
		if err != nil || len(all) != 1 {
			t.Fatalf("listed %v, error %v", all, err)
		}
		_, body, err := b.Get(t.Context(), all[0].Key)
		if err == nil {
			_ = body.Close()
		}
		if (err != nil) != all[0].Settling {
			t.Errorf("settling %v, but get says %v", all[0].Settling, err)
		}
		return all[0].Settling
	}
	name := filepath.Join(dir, "a.json")
	touch := func(content string, stamp time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name, []byte(content), 0o600), os.Chtimes(name, stamp, stamp)); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name    string
		do      func()
		advance time.Duration
		want    bool
	}{
		{"just written", func() { touch("a", now) }, 0, true},
		{"nearly quiet", nil, 749 * time.Millisecond, true},
		{"quiet", nil, time.Millisecond, false},
		{"written again", func() { touch("ab", now) }, 0, true},
		{"written where times are whole seconds", func() { touch("abx", now.Truncate(2*time.Second)) }, 0, true},
		{"surely quiet there", nil, 2750 * time.Millisecond, false},
		{"copied with its old time", func() { touch("abc", now.Add(-time.Hour)) }, 0, false},
		{"copied with a time ahead", func() { touch("abcd", now.Add(time.Hour)) }, 0, true},
		{"still growing", func() { touch("abcde", now.Add(time.Hour)) }, 500 * time.Millisecond, true},
		{"not yet quiet by our clock", nil, 500 * time.Millisecond, true},
		{"quiet by our clock", nil, 250 * time.Millisecond, false},
	}
	for _, step := range steps {
		now = now.Add(step.advance)
		if step.do != nil {
			step.do()
		}
		if got := settling(); got != step.want {
			t.Errorf("%s: settling %v, want %v", step.name, got, step.want)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if got := mustList(t, b); got != "" || len(b.quiet.future) != 0 {
		t.Errorf("listed %q, %d files are remembered", got, len(b.quiet.future))
	}
}

// TestManyFilesAhead: of files whose time lies ahead, a bounded number is remembered; the others
// have their turn when these are gone.
func TestManyFilesAhead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a", "")
	now := time.Now()
	if err := os.Chtimes(filepath.Join(dir, "a"), now.Add(time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	q := quietness{limit: time.Second, now: func() time.Time { return now }, future: map[string]sighting{}}
	list := func(from, to int) (settling int) {
		since := now
		for i := from; i < to; i++ {
			if q.settling(strconv.Itoa(i), info) {
				settling++
			}
		}
		q.forget(since)
		now = now.Add(time.Second)
		return settling
	}
	const more = 10
	for _, step := range []struct{ from, settling int }{{0, mostFuture + more}, {0, more}, {mostFuture, more}, {mostFuture, more}, {mostFuture, 0}} {
		if got := list(step.from, mostFuture+more); got != step.settling || len(q.future) > mostFuture {
			t.Errorf("from %d: %d files are settling, want %d; %d are remembered", step.from, got, step.settling, len(q.future))
		}
	}
}

func TestChangedWhileRead(t *testing.T) {
	for name, change := range map[string]func(*os.File) error{
		"grown":       func(f *os.File) error { _, err := f.WriteAt([]byte("more"), 10); return err },
		"cut":         func(f *os.File) error { return f.Truncate(3) },
		"overwritten": func(f *os.File) error { _, err := f.WriteAt([]byte("X"), 9); return err },
	} {
		dir := t.TempDir()
		write(t, dir, "a.json", "0123456789")
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "a.json"), old, old); err != nil {
			t.Fatal(err)
		}
		_, body, err := open(t, dir, Options{}).Get(t.Context(), "a.json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(filepath.Join(dir, "a.json"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(file), file.Close()); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(body); !errors.Is(err, bucket.ErrChanged) || len(rest) > 0 {
			t.Errorf("%s: %v, want ErrChanged; also %q of another generation", name, err, rest)
		}
		_ = body.Close()
	}
}

func TestListPagesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 25 {
		write(t, dir, fmt.Sprintf("%d/%d.json", i%3, i), "{}")
	}
	var sizes []int
	for page, err := range open(t, dir, Options{PageSize: 10}).List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page))
	}
	if !slices.Equal(sizes, []int{10, 10, 5}) {
		t.Errorf("pages of %v", sizes)
	}
}
