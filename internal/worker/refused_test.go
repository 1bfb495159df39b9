package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// TestRefusedUpdateIsKeptAsItCame: the stored bytes of a refused update decode to the same
// update, or are marked as truncated.
func TestRefusedUpdateIsKeptAsItCame(t *testing.T) {
	long := fmt.Sprintf(`"%s"`, strings.Repeat("a", 500))
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d%s`, i, long[1:])
	}
	for _, text := range []string{
		`{"title": "no", "year": 2000}`,
		`{"title": "no", "year": 2000, "cast": null, "genres": []}`,
		`{"title": "no", "year": 2000, "cast": ["A", "\"\u0001é"]}`,
		`{"title": "no", "year": 2000, "deleted": true}`,
		`{"title": "no", "year": 2000, "deleted": true, "cast": [], "genres": ["G"]}`,
		`{"title": "no", "year": 2000, "cast": [` + strings.Join(many, ", ") + `]}`,
	} {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		db.refuse = "no"
		store.Put("key", []byte(text))
		if err := newTestWorker(store, db).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range db.rejections {
			if r.Truncated != (len(text) > movie.MaxKept) || len(r.Bytes) > movie.MaxKept {
				t.Errorf("%.80s: %d bytes are kept, truncated %v", text, len(r.Bytes), r.Truncated)
			}
			if !r.Truncated {
				if diff := cmp.Diff(decodeAll(t, []byte(text)), decodeAll(t, r.Bytes)); diff != "" {
					t.Errorf("%.80s is kept as %s: %s", text, r.Bytes, diff)
				}
			}
		}
		if len(db.rejections) != 1 {
			t.Errorf("%d rejections", len(db.rejections))
		}
	}
}

func decodeAll(t *testing.T, body []byte) (updates []movie.Update) {
	t.Helper()
	err := decode.Read(bytes.NewReader(body), func(item decode.Item) error {
		if item.Reason != "" {
			t.Errorf("%s: %s", body, item.Reason)
		}
		updates = append(updates, item.Update)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return updates
}

// TestRefusedWithoutUpdates: objects without updates, whose entries in the ingest log the
// database refuses, stay and are named in the error.
func TestRefusedWithoutUpdates(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	db.fault = func(_ movie.Batch, applied bool) error {
		if applied {
			return nil
		}
		return &movie.RefusedError{Reason: errors.New("no entry")}
	}
	store.Put("one", []byte("[]"))
	store.Put("two", []byte("[]"))
	err := newTestWorker(store, db).Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), `"one"`) || !strings.Contains(err.Error(), `"two"`) || !strings.Contains(err.Error(), "no entry") {
		t.Errorf("%v", err)
	}
}

// TestNamesTooLong: an object whose key or ETag is too long for the database stays and is
// named in the error; the other objects are applied.
func TestNamesTooLong(t *testing.T) {
	long := strings.Repeat("k", bucket.MaxKey+1)
	for name, object := range map[string]struct{ key, body, etag string }{
		"key":              {long, string(film("Long", "x")), ""},
		"key and rejected": {long, "{", ""},
		"ETag":             {"kkk", string(film("Long", "x")), strings.Repeat("e", bucket.MaxETag+1)},
	} {
		t.Run(name, func(t *testing.T) {
			store, db := &buckettest.Memory{}, newFakeCatalogue()
			store.Put(object.key, []byte(object.body))
			store.Put("other", film("Other", "x"))
			err := newTestWorker(longETagStore{store, object.etag}, db).Once(t.Context())
			if err == nil || !strings.Contains(err.Error(), "kkk") || !strings.Contains(err.Error(), "bytes, expected at most") {
				t.Errorf("error %v", err)
			}
			if shown := db.shows(); len(shown) != 1 || shown["Other 2000"] == nil || len(db.rejections) != 0 {
				t.Errorf("movies %v, rejections %v", shown, db.rejections)
			}
			if keys := store.Keys(); len(keys) != 1 || !strings.HasPrefix(keys[0], "kkk") {
				t.Errorf("in the bucket: %.40q", keys)
			}
		})
	}
}

// longETagStore returns the object kkk with another ETag.
type longETagStore struct {
	*buckettest.Memory
	etag string
}

func (l longETagStore) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	o, body, err := l.Memory.Get(ctx, key)
	if key == "kkk" {
		o.ETag = l.etag
	}
	return o, body, err
}

// TestRefusedForASetting: an update that the server refuses because of a setting is not
// rejected. Its object stays and is named in the error; the others are applied.
func TestRefusedForASetting(t *testing.T) {
	store, db := &buckettest.Memory{}, newFakeCatalogue()
	db.fault = func(b movie.Batch, applied bool) error {
		if !applied && slices.ContainsFunc(b.Updates, func(u movie.Update) bool { return u.Title == "large" }) {
			return &movie.RefusedError{Setting: true, Reason: errors.New("larger than max_allowed_packet")}
		}
		return nil
	}
	store.Put("a", append(film("A", "x"), film("B", "x")...))
	store.Put("b", append(film("large", "x"), film("C", "x")...))
	err := newTestWorker(store, db).Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), `update 1 of "b" stays in the bucket: larger than max_allowed_packet`) {
		t.Errorf("error %v", err)
	}
	if keys := store.Keys(); !slices.Equal(keys, []string{"b"}) || len(db.rejections) != 0 || len(db.shows()) != 3 {
		t.Errorf("in the bucket: %q, rejections %v, movies %v", keys, db.rejections, db.shows())
	}
}

// TestRefusedRejection: a rejection that the database does not take keeps its object in the
// bucket, and holds up no other.
func TestRefusedRejection(t *testing.T) {
	for _, body := range []string{`{"title": "refused", "year": 2000}`, `{"title": "invalid"}`} {
		store, db := &buckettest.Memory{}, newFakeCatalogue()
		db.refuse = "refused"
		db.fault = func(b movie.Batch, applied bool) error {
			if !applied && slices.ContainsFunc(b.Rejections, func(r movie.Rejection) bool { return r.Key == "b" }) {
				return &movie.RefusedError{Reason: errors.New("a trigger")}
			}
			return nil
		}
		store.Put("a", []byte(`{"title": "also invalid"}`))
		store.Put("b", append([]byte(body+"\n"), film("B", "x")...))
		store.Put("c", film("C", "x"))
		err := newTestWorker(store, db).Once(t.Context())
		if err == nil || !strings.Contains(err.Error(), `update 1 of "b" stays in the bucket: a trigger`) {
			t.Errorf("%s: error %v", body, err)
		}
		if keys := store.Keys(); !slices.Equal(keys, []string{"b"}) || len(db.rejections) != 1 || len(db.shows()) != 2 {
			t.Errorf("%s: in the bucket %q, rejections %v, movies %v", body, keys, db.rejections, db.shows())
		}
	}
}

// TestIgnoredFieldsAreLogged: each name is logged once, and every update is counted.
func TestIgnoredFieldsAreLogged(t *testing.T) {
	var log bytes.Buffer
	store := &buckettest.Memory{}
	w := newTestWorker(store, newFakeCatalogue(), func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for i := range 3 {
		store.Put(fmt.Sprint(i), []byte(`{"title": "A", "year": 2000, "href": 1, "Cast": []} {"title": "B", "year": 2000, "href": 1}`))
	}
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "field=href"); n != 1 || strings.Count(log.String(), "field=Cast first_in=") != 1 || !strings.Contains(log.String(), "did_you_mean=cast") {
		t.Errorf("log: %s", &log)
	}
	if n := testutil.ToFloat64(w.metrics.ignoredFields); n != 6 {
		t.Errorf("%v updates are counted", n)
	}
}
