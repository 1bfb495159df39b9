package worker

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"jpmovies/internal/bucket/buckettest"
)

// TestMetricsOfAPass: what a pass did, and what it left, shows.
func TestMetricsOfAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, db, registry := &buckettest.Memory{}, newFakeCatalogue(), prometheus.NewRegistry()
		store.Put("two", append(film("A", "x"), film("B", "x")...))
		store.Put("again", film("A", "x"))
		store.Put("wrong", []byte("{}"))
		left := store.Put("unreadable", film("C", "x"))
		time.Sleep(time.Minute)
		store.Put("unreadable, too", film("D", "x"))
		store.Fault = func(op buckettest.Op) error {
			if op.Kind == buckettest.Get && strings.HasPrefix(op.Key, "unreadable") {
				return errors.New("reset")
			}
			return nil
		}
		w := newTestWorker(store, db, func(o *Options) { o.Metrics, o.Shard = registry, Shard{} })
		p := w.pass(t.Context(), t.Context(), fullListing)
		w.finish(t.Context(), p)
		found, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range found {
			m := family.GetMetric()[0]
			got[strings.TrimPrefix(family.GetName(), "movies_worker_")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		for name, want := range map[string]float64{
			"updates_total": 3, "changes_total": 2, "rejections_total": 1, "objects_read_total": 3, "objects_removed_total": 3,
			"object_read_failures_total": 2, "objects_waiting": 2, "oldest_waiting_timestamp_seconds": float64(left.LastModified.Unix()),
			"last_pass_timestamp_seconds": float64(time.Now().Unix()), "passes_failed_total": 0, "conditional_deletes": 1,
			"concurrency": 8, "shards": 1, "pass_seconds": 1,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if p.counts.ReadFailed != 2 {
			t.Errorf("%+v", p.counts)
		}
		// The two rest a moment; a pass that leaves them out counts them as waiting.
		p = w.pass(t.Context(), t.Context(), fullListing)
		w.finish(t.Context(), p)
		if p.counts.Resting != 2 || testutil.ToFloat64(w.metrics.waiting) != 2 || testutil.ToFloat64(w.metrics.oldest) != float64(left.LastModified.Unix()) {
			t.Errorf("%+v, oldest %v", p.counts, testutil.ToFloat64(w.metrics.oldest))
		}
		if err := w.endDeletes(); err != nil {
			t.Error(err)
		}
	})
}
