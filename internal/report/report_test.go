package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent: rows of shards that no longer exist do not count, but a silent shard does.
func TestCurrent(t *testing.T) {
	at := func(shard string, minute int) Worker {
		return Worker{Shard: shard, LastPass: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), ObjectsWaiting: 7}
	}
	for name, test := range map[string]struct{ all, want []Worker }{
		"none":             {nil, nil},
		"one":              {[]Worker{at("", 5)}, []Worker{at("", 5)}},
		"never passed":     {[]Worker{{Shard: "0/2"}}, []Worker{{Shard: "0/2"}}},
		"from shards":      {[]Worker{at("", 9), at("0/2", 5), at("1/2", 6)}, []Worker{at("", 9)}},
		"to shards":        {[]Worker{at("", 4), at("0/2", 5), at("1/2", 6)}, []Worker{at("0/2", 5), at("1/2", 6)}},
		"to more shards":   {[]Worker{at("0/12", 9), at("0/2", 5), at("1/2", 6)}, []Worker{at("0/12", 9)}},
		"one shard silent": {[]Worker{at("0/2", 50), at("1/2", 1)}, []Worker{at("0/2", 50), at("1/2", 1)}},
	} {
		if diff := cmp.Diff(test.want, Current(test.all)); diff != "" {
			t.Errorf("%s: want -, got +: %s", name, diff)
		}
	}
}
