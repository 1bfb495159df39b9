package buckettest

import (
	"errors"
	"fmt"
	"testing"

	"jpmovies/internal/bucket"
)

const wrongETag = `"00000000000000000000000000000000"`

func testDelete(t *testing.T, h Harness) {
	store := h.Open(t, "")
	for _, key := range []string{"right", "wrong", "none"} {
		h.Put(t, key, []byte(key))
	}
	right, _ := read(t, store, "right")
	errs := store.Delete(t.Context(), []bucket.Ref{
		{Key: "wrong", ETag: wrongETag}, right.Ref, {Key: "none"}, {Key: "missing", ETag: wrongETag},
	})
	if !errors.Is(errs[0], bucket.ErrChanged) {
		t.Errorf("wrong ETag: %v, want ErrChanged", errs[0])
	}
	if errs[1] != nil {
		t.Errorf("right ETag: %v", errs[1])
	}
	if errs[2] == nil {
		t.Error("no ETag: deleted, want an error")
	}
	wantGone(t, h, errs[3])
	wantKeys(t, store, []string{"none", "wrong"})
	wantGone(t, h, store.Delete(t.Context(), []bucket.Ref{right.Ref})[0])
	if errs := store.Delete(t.Context(), nil); len(errs) != 0 {
		t.Errorf("deleting nothing gives %v", errs)
	}
}

func wantGone(t *testing.T, h Harness, err error) {
	t.Helper()
	if !errors.Is(err, bucket.ErrNotFound) && (err != nil || !h.SilentlyGone) {
		t.Errorf("delete of a missing object: %v, want ErrNotFound", err)
	}
}

// testDeleteMany mixes all results in one call that needs several requests.
func testDeleteMany(t *testing.T, h Harness) {
	many := h.Many
	if many == 0 {
		many = 2100
	}
	var kept []string
	for i := range many {
		key := fmt.Sprintf("many/%05d", i)
		h.Put(t, key, []byte(key))
		if i%7 == 0 {
			kept = append(kept, key)
		}
	}
	store := h.Open(t, "")
	var refs []bucket.Ref
	for i, o := range listAll(t, store) {
		switch {
		case i%7 == 0:
			o.ETag = wrongETag
		case i%11 == 0:
			refs = append(refs, bucket.Ref{Key: o.Key + "-missing", ETag: o.ETag})
		}
		refs = append(refs, o.Ref)
	}
	for i, err := range store.Delete(t.Context(), refs) {
		switch ref := refs[i]; {
		case ref.ETag == wrongETag && !errors.Is(err, bucket.ErrChanged):
			t.Errorf("%+v: %v, want ErrChanged", ref, err)
		case len(ref.Key) > len("many/00000"):
			wantGone(t, h, err)
		case ref.ETag != wrongETag && err != nil:
			t.Errorf("%+v: %v", ref, err)
		}
	}
	wantKeys(t, store, kept)
}

// testDeleteRepeated: each Ref of one key has its own result.
func testDeleteRepeated(t *testing.T, h Harness) {
	store := h.Open(t, "")
	h.Put(t, "key", []byte("old"))
	old, _ := read(t, store, "key")
	h.Put(t, "key", []byte("newer"))
	current, _ := read(t, store, "key")
	errs := store.Delete(t.Context(), []bucket.Ref{old.Ref, current.Ref, current.Ref})
	if !errors.Is(errs[0], bucket.ErrChanged) {
		t.Errorf("old generation: %v, want ErrChanged", errs[0])
	}
	if errs[1] != nil {
		t.Errorf("current generation: %v", errs[1])
	}
	wantGone(t, h, errs[2])
	wantKeys(t, store, nil)
}

func testOverwrittenSurvives(t *testing.T, h Harness) {
	store := h.Open(t, "")
	h.Put(t, "key", []byte("read"))
	o, _ := read(t, store, "key")
	h.Put(t, "key", []byte("next"))
	if err := store.Delete(t.Context(), []bucket.Ref{o.Ref})[0]; !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("delete: %v, want ErrChanged", err)
	}
	if _, content := read(t, store, "key"); string(content) != "next" {
		t.Errorf("the new generation holds %q", content)
	}
}
