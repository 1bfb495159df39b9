package worker

import (
	"encoding/json"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/bucket/buckettest"
)

// TestOverview: the work done and the last passes appear in /overview.
func TestOverview(t *testing.T) {
	store := &buckettest.Memory{}
	store.Put("one", append(film("A", "x"), film("B", "y")...))
	store.Put("bad", []byte(`{"title": "no year"}`))
	w := newTestWorker(store, newFakeCatalogue())
	shown := func() string {
		section, err := w.Overview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(section)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`"(time|took_seconds)":[^,]*`).ReplaceAllString(string(text), `"$1":0`)
	}
	if got, want := shown(), `{"objects":0,"passes":[],"shard":"","updates":0,"waiting_in_pass":0}`; got != want {
		t.Errorf("before: %s, want %s", got, want)
	}
	if err := w.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	const passes = `[{"time":0,"took_seconds":0,"objects":2,"updates":2,"changes":2,"rejections":1,"waiting":0,"failed":0,"oldest_waiting":null},` +
		`{"time":0,"took_seconds":0,"objects":0,"updates":0,"changes":0,"rejections":0,"waiting":0,"failed":0,"oldest_waiting":null}]`
	if got, want := shown(), `{"objects":2,"passes":`+passes+`,"shard":"","updates":2,"waiting_in_pass":0}`; got != want {
		t.Errorf("after: %s, want %s", got, want)
	}
}

// TestHistoryIsBounded: old passes are forgotten, and of idle ones few are kept.
func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &history{}
		for n := range maxHistory + 5 {
			h.add(&pass{counts: counts{Listed: 1 + n}})
		}
		if n := len(h.passes); n != maxHistory || h.passes[0].Objects != 6 {
			t.Errorf("%d passes, the first of %d objects", n, h.passes[0].Objects)
		}
		h = &history{}
		for range 25 {
			h.add(&pass{})
			time.Sleep(time.Second)
		}
		if n := len(h.passes); n != 3 {
			t.Errorf("%d idle passes of 25 seconds, want 3", n)
		}
		h.add(&pass{counts: counts{Listed: 1}})
		h.add(&pass{})
		if n := len(h.passes); n != 5 {
			t.Errorf("%d passes, want 5", n)
		}
	})
}
