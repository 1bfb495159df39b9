package buckettest

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/bucket"
)

func TestMemoryConforms(t *testing.T) {
	Run(t, func(*testing.T) Harness {
		m := &Memory{PageSize: 100}
		return Harness{
			Open: func(_ *testing.T, prefix string) bucket.Store { return prefixStore{m, prefix} },
			Put:  func(_ *testing.T, key string, content []byte) { m.Put(key, content) },
			Keys: append(OddKeys, WildKeys...),
		}
	})
}

var errFault = errors.New("fault")

// TestMemoryFaults: each step can fail both ways, not applied, and applied with the response
// lost.
func TestMemoryFaults(t *testing.T) {
	tests := []struct {
		op   Op
		keys []string // that must remain
	}{
		{Op{Kind: List}, []string{"key"}},
		{Op{Kind: List, Applied: true}, []string{"key"}},
		{Op{Kind: Get, Key: "key"}, []string{"key"}},
		{Op{Kind: Get, Key: "key", Applied: true}, []string{"key"}},
		{Op{Kind: Read, Key: "key"}, []string{"key"}},
		{Op{Kind: Delete}, []string{"key"}},
		{Op{Kind: Delete, Applied: true}, nil},
		{Op{Kind: DeleteKey, Key: "key"}, []string{"key"}},
		{Op{Kind: DeleteKey, Key: "key", Applied: true}, nil},
	}
	for _, test := range tests {
		m := &Memory{Fault: func(op Op) error {
			if op == test.op {
				return errFault
			}
			return nil
		}}
		m.Put("key", []byte("some content"))
		if err := drain(t, m); !errors.Is(err, errFault) {
			t.Errorf("%+v: error %v, want the fault", test.op, err)
		}
		if diff := cmp.Diff(test.keys, m.Keys(), cmp.Transformer("len", func(s []string) string { return strings.Join(s, " ") })); diff != "" {
			t.Errorf("%+v: keys left (-want +got):\n%s", test.op, diff)
		}
		if n := m.Counts().OpenReaders; n != 0 {
			t.Errorf("%+v: %d readers are open", test.op, n)
		}
	}
}

// drain lists, reads and deletes, and returns the first error.
func drain(t *testing.T, store bucket.Store) error {
	t.Helper()
	for page, err := range store.List(t.Context()) {
		if err != nil {
			return err
		}
		for _, o := range page {
			o, body, err := store.Get(t.Context(), o.Key)
			if err != nil {
				return err
			}
			_, err = io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				return err
			}
			if err := store.Delete(t.Context(), []bucket.Ref{o.Ref})[0]; err != nil {
				return err
			}
		}
	}
	return nil
}

func TestMemoryCountsAndClock(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)
	m := &Memory{PageSize: 2, Now: func() time.Time { return now }}
	for _, key := range []string{"a", "b", "c"} {
		if o := m.Put(key, []byte(key)); !o.LastModified.Equal(now.Truncate(time.Second)) {
			t.Errorf("LastModified %v", o.LastModified)
		}
	}
	if err := drain(t, m); err != nil {
		t.Fatal(err)
	}
	want := Counts{Lists: 2, Gets: 3, Deletes: 3, DeletedKeys: 3}
	if diff := cmp.Diff(want, m.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestMemorySettling(t *testing.T) {
	m := &Memory{}
	m.Put("key", []byte("half"))
	m.Settle("key", true)
	if objects := listAll(t, m); len(objects) != 1 || !objects[0].Settling {
		t.Errorf("listed as %+v", objects)
	}
	if _, _, err := m.Get(t.Context(), "key"); err == nil {
		t.Error("a settling object was read")
	}
	m.Put("key", []byte("whole"))
	if o, _ := read(t, m, "key"); o.Settling {
		t.Error("settling after the next Put")
	}
}

// prefixStore lists the keys with a prefix.
type prefixStore struct {
	bucket.Store
	prefix string
}

func (p prefixStore) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		for page, err := range p.Store.List(ctx) {
			page = slices.DeleteFunc(page, func(o bucket.Object) bool { return !strings.HasPrefix(o.Key, p.prefix) })
			if !yield(page, err) {
				return
			}
		}
	}
}
