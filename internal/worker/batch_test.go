package worker

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/movie"
)

// TestBatchLimits: a batch ends with the update that fills it, by number or by bytes, and any
// number of batches may follow it.
func TestBatchLimits(t *testing.T) {
	for name, test := range map[string]struct {
		objects, size int // of the update of an object, in bytes
		most          int // updates of a batch
	}{
		"by number": {45, 100, 10},
		"by bytes":  {14, 900_000, 1 + batchBytes/900_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, db := &buckettest.Memory{}, newFakeCatalogue()
				var sizes []int
				db.fault = func(b movie.Batch, applied bool) error {
					if !applied && len(b.Updates) > 0 {
						sizes = append(sizes, len(b.Updates))
					}
					return nil
				}
				for i := range test.objects {
					store.Put(fmt.Sprintf("%02d", i), fmt.Appendf(nil, `{"title": "%d", "year": 2000, "x": %q}`, i, strings.Repeat("x", test.size)))
				}
				w := newTestWorker(store, db, func(o *Options) { o.Batch = 10 })
				if err := w.Once(t.Context()); err != nil {
					t.Error(err)
				}
				checkEmpty(t, store)
				full, all := 0, 0
				for _, n := range sizes {
					all += n
					if n == test.most {
						full++
					}
					if n > test.most {
						t.Errorf("a batch of %d updates, want %d at most", n, test.most)
					}
				}
				if full < 2 || all != test.objects {
					t.Errorf("batches of %v, want some of %d", sizes, test.most)
				}
				if p := w.Progress(); p.Objects != int64(test.objects) || p.Updates != int64(test.objects) || p.Changes != int64(test.objects) {
					t.Errorf("progress %+v", p)
				}
			})
		})
	}
}

// TestManyRejections: the first rejections of a batch are logged, the others are counted.
func TestManyRejections(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	store.Put("wrong", bytes.Repeat([]byte("{}\n"), maxRejectionLines+5))
	var log bytes.Buffer
	w := newTestWorker(store, db, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if err := w.Once(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "update rejected"); n != maxRejectionLines || !strings.Contains(log.String(), "count=5") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	if p := w.Progress(); p.Rejections != maxRejectionLines+5 {
		t.Errorf("progress %+v", p)
	}
}

// TestFailedCommit: a commit that fails is counted, and its object is the oldest that waits.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		put := store.Put("one", film("One", "x"))
		db.setFault(errors.New("away"))
		w := newTestWorker(store, db)
		p := w.pass(t.Context(), t.Context(), fullListing)
		if p.counts.CommitFailed != 1 || p.counts.failed() != 1 || p.oldest == nil || !p.oldest.Equal(put.LastModified) {
			t.Errorf("counts %+v, oldest %v", p.counts, p.oldest)
		}
		if err := w.endDeletes(); err != nil {
			t.Error(err)
		}
	})
}

// TestPartsOfAnObject: each update and rejection of an object with many is committed once.
func TestPartsOfAnObject(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	var body bytes.Buffer
	for i := range 500 {
		body.Write(film(fmt.Sprint(i), "x"))
		if i%5 == 0 {
			body.WriteString("{}\n")
		}
	}
	store.Put("many", body.Bytes())
	most := 0
	db.fault = func(b movie.Batch, _ bool) error {
		most = max(most, len(b.Updates)+len(b.Rejections))
		return nil
	}
	w := newTestWorker(store, db, func(o *Options) { o.Batch = 1 })
	if err := w.Once(t.Context()); err != nil {
		t.Error(err)
	}
	if p := w.Progress(); p.Updates != 500 || p.Rejections != 100 || len(db.shows()) != 500 || len(db.rejections) != 100 {
		t.Errorf("%+v; %d movies and %d rejections", p, len(db.shows()), len(db.rejections))
	}
	if most != partItems {
		t.Errorf("a part of %d items, want %d at most", most, partItems)
	}
}
