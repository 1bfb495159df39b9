package movie

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent: what shards that are no more have left behind does not count, but
// a shard that is silent does.
func TestCurrent(t *testing.T) {
	at := func(shard string, minute int) WorkerStatus {
		return WorkerStatus{Shard: shard, LastPass: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), ObjectsWaiting: 7}
	}
	for name, test := range map[string]struct{ all, want []WorkerStatus }{
		"none":             {nil, nil},
		"one":              {[]WorkerStatus{at("", 5)}, []WorkerStatus{at("", 5)}},
		"never passed":     {[]WorkerStatus{{Shard: "0/2"}}, []WorkerStatus{{Shard: "0/2"}}},
		"from shards":      {[]WorkerStatus{at("", 9), at("0/2", 5), at("1/2", 6)}, []WorkerStatus{at("", 9)}},
		"to shards":        {[]WorkerStatus{at("", 4), at("0/2", 5), at("1/2", 6)}, []WorkerStatus{at("0/2", 5), at("1/2", 6)}},
		"to more shards":   {[]WorkerStatus{at("0/12", 9), at("0/2", 5), at("1/2", 6)}, []WorkerStatus{at("0/12", 9)}},
		"one shard silent": {[]WorkerStatus{at("0/2", 50), at("1/2", 1)}, []WorkerStatus{at("0/2", 50), at("1/2", 1)}},
	} {
		if diff := cmp.Diff(test.want, Current(test.all)); diff != "" {
			t.Errorf("%s: want -, got +: %s", name, diff)
		}
	}
}
