package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/bucket"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/worker"
)

// TestImportOfAChangedFile: a file that was written again after it was read is
// listed again; the others are done.
func TestImportOfAChangedFile(t *testing.T) {
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for _, size := range []int{5, largeFile + 1} {
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

// lossy is a catalogue that fails now and then, before it applies a batch or after,
// so that the answer is lost. It knows what it has applied.
type lossy struct {
	*database.DB
	mu      sync.Mutex
	random  *rand.Rand // nil: it does not fail
	applied map[movie.Stamp]int
}

var errLossy = errors.New("fault")

func (l *lossy) fails() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random != nil && l.random.IntN(6) == 0
}

func (l *lossy) Apply(ctx context.Context, b movie.Batch) (int, error) {
	if l.fails() {
		return 0, errLossy
	}
	changes, err := l.DB.Apply(ctx, b)
	l.mu.Lock()
	for _, u := range b.Updates {
		l.applied[u.Stamp]++
	}
	l.mu.Unlock()
	if l.fails() {
		return 0, errLossy
	}
	return changes, err
}

// ofLarge is how many updates of large files were applied.
func (l *lossy) ofLarge() int {
	n := 0
	for stamp := range l.applied {
		if filepath.Base(stamp.Key) != "small" {
			n++
		}
	}
	return n
}

// importOnce imports files as the command does.
func importOnce(t *testing.T, to catalogue, names ...string) (*imported, error) {
	t.Helper()
	store, _, err := openFiles(names)
	if err != nil {
		t.Fatal(err)
	}
	counted := &imported{catalogue: to, large: store.large, before: make(map[generation]int64)}
	return counted, worker.New(worker.Options{
		Store: store, Catalogue: counted, Concurrency: 1, Batch: 100, Prepare: func(context.Context) error { return nil },
		IdleMin: time.Second, IdleMax: time.Second, ShutdownTimeout: time.Minute,
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}).Once(t.Context())
}

func (i *imported) skipped() int {
	n := int64(0)
	for _, updates := range i.before {
		n += updates
	}
	return int(n)
}

// written is a file of n updates, each 50th of them invalid.
func written(t *testing.T, name string, n int) string {
	t.Helper()
	var text strings.Builder
	for i := 1; i <= n; i++ {
		year := "2000"
		if i%50 == 0 {
			year = `"2000"`
		}
		fmt.Fprintf(&text, `{"title": "%s %d", "year": %s, "cast": ["a%d"]}`+"\n", name, i%(n*2/3), year, i)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exported is what readers see, but for ids: those follow the order of commits.
func exported(t *testing.T, db *database.DB) []string {
	t.Helper()
	var all []string
	err := db.Export(t.Context(), movie.Filter{}, func(int64) error { return nil }, func(rows []movie.Row) error {
		for _, r := range rows {
			all = append(all, string(r.Fields))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestImportGoesOn: imports that break off anywhere, "not applied" or "applied,
// answer lost", end with the content of one that does not. What the first of them
// committed is never applied again, and whatever is skipped was committed.
func TestImportGoesOn(t *testing.T) {
	names := []string{written(t, "large", 3000), written(t, "small", 7), written(t, "medium", 450)}
	const updates, rejections = 3457 - 69, 69
	undisturbed := databasetest.Open(t, databasetest.SQLite(t))
	if i, err := importOnce(t, undisturbed, names...); err != nil || i.updates.Load() != updates || i.rejections.Load() != rejections || i.skipped() != 0 {
		t.Fatalf("%d updates, %d rejections, %d before: %v", i.updates.Load(), i.rejections.Load(), i.skipped(), err)
	}
	want := exported(t, undisturbed)
	for n := range 6 {
		seed := uint64(time.Now().UnixNano())
		to := &lossy{DB: databasetest.Open(t, databasetest.SQLite(t)), random: rand.New(rand.NewPCG(seed, 0)), applied: make(map[movie.Stamp]int)}
		_, err := importOnce(t, to, names...)
		first := to.ofLarge()
		for tries := 1; err != nil; tries++ {
			if tries == 30 || n%2 == 0 { // half of them break off once
				to.random = nil
			}
			if !strings.Contains(err.Error(), errLossy.Error()) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			before := to.ofLarge()
			var i *imported
			if i, err = importOnce(t, to, names...); i.skipped() > before {
				t.Errorf("seed %d: %d updates are skipped, %d were applied", seed, i.skipped(), before)
			}
			if tries == 1 && err == nil && (i.skipped() != first || i.updates.Load() != int64(updates-first) || i.rejections.Load() != rejections) {
				t.Errorf("seed %d: %d updates are skipped, %d were applied; now %d were, and %d rejected", seed, i.skipped(), first, i.updates.Load(), i.rejections.Load())
			}
		}
		if len(to.applied) != updates {
			t.Errorf("seed %d: %d updates were applied, want %d", seed, len(to.applied), updates)
		}
		if diff := cmp.Diff(want, exported(t, to.DB)); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}
		again, err := importOnce(t, to, names...)
		if err != nil || again.rejections.Load() != rejections || again.skipped()+int(again.updates.Load()) != updates {
			t.Errorf("seed %d: in the end %d rejections, %d updates before, %d now: %v", seed, again.rejections.Load(), again.skipped(), again.updates.Load(), err)
		}
	}
}

// TestImportOfAnotherFile: one of the same name, size and time is none that was
// imported, nor is the same one with another time.
func TestImportOfAnotherFile(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	name := filepath.Join(t.TempDir(), "a.json")
	at := time.Now().Add(-time.Hour)
	put := func(text string, at time.Time) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	check := func(before int, updates int64) {
		t.Helper()
		i, err := importOnce(t, db, name)
		if err != nil || i.skipped() != before || i.updates.Load() != updates {
			t.Errorf("%d updates before, %d now (%v), want %d and %d", i.skipped(), i.updates.Load(), err, before, updates)
		}
		var out strings.Builder
		if err := i.sayBefore(&out); err != nil || (out.String() == "") != (before == 0) {
			t.Errorf("it says %q, %v", &out, err)
		}
	}
	padding := strings.Repeat(" ", largeFile)
	put(`[{"title": "A", "year": 2000}, {"title": "B", "year": 2000}]`+padding, at)
	check(0, 2)
	check(2, 0)
	put(`[{"title": "A", "year": 2000}, {"title": "C", "year": 2000}]`+padding, at)
	check(0, 2)
	// Of two contents of one time the later wins, so each is applied again.
	check(0, 2)
	put(`[{"title": "A", "year": 2000}, {"title": "B", "year": 2000}]`+padding, at)
	check(0, 2)
	if len(exported(t, db)) != 3 {
		t.Errorf("there are %v", exported(t, db))
	}
	put(`[{"title": "A", "year": 2000}, {"title": "C", "year": 2000}]`+padding, at.Add(time.Nanosecond))
	check(0, 2)
	check(2, 0)

	// A small one is not worth asking for.
	put(`[{"title": "A", "year": 2000}, {"title": "C", "year": 2000}]`, at)
	check(0, 2)
	check(0, 2)
}
