package buckettest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/bucket"
)

func testListEmpty(t *testing.T, h Harness) {
	if got := listAll(t, h.Open(t, "")); len(got) != 0 {
		t.Errorf("an empty bucket lists %v", got)
	}
}

func testListPages(t *testing.T, h Harness) {
	want := make([]string, 250)
	for i := range want {
		want[i] = fmt.Sprintf("list-%d/%04d.json", i%3, i)
		h.Put(t, want[i], []byte("{}"))
	}
	store := h.Open(t, "")
	wantKeys(t, store, want)
	pages := 0
	for page, err := range store.List(t.Context()) {
		if err != nil || len(page) > 100 {
			t.Fatalf("page of %d objects, error %v", len(page), err)
		}
		if pages++; pages == 2 {
			break
		}
	}
	if pages != 2 {
		t.Errorf("listing 250 objects gave %d pages, want at least 2", pages)
	}
}

func testListPrefix(t *testing.T, h Harness) {
	for _, key := range []string{"in/a.json", "in/deep/er/b.json", "inner.json", "in.json", "out/in/c.json"} {
		h.Put(t, key, []byte("{}"))
	}
	wantKeys(t, h.Open(t, "in/"), []string{"in/a.json", "in/deep/er/b.json"})
	wantKeys(t, h.Open(t, "in"), []string{"in/a.json", "in/deep/er/b.json", "inner.json", "in.json"})
	wantKeys(t, h.Open(t, "in/deep/e"), []string{"in/deep/er/b.json"})
	wantKeys(t, h.Open(t, "nothing/"), nil)
}

// listAll returns all objects, sorted by key.
func listAll(t *testing.T, store bucket.Store) []bucket.Object {
	t.Helper()
	var all []bucket.Object
	for page, err := range store.List(t.Context()) {
		if err != nil {
			t.Errorf("list: %v", err)
		}
		all = append(all, page...)
	}
	slices.SortFunc(all, func(a, b bucket.Object) int { return strings.Compare(a.Key, b.Key) })
	return all
}

func wantKeys(t *testing.T, store bucket.Store, want []string) {
	t.Helper()
	var got []string
	for _, o := range listAll(t, store) {
		got = append(got, o.Key)
	}
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
