package main

import "testing"

// TestMemoryLimit: the memory limit grows with concurrency and batch size.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		concurrency, batch int
		least, most        int64
	}{
		{64, 500, 100 * mib, 101 * mib}, // the defaults
		{1, 1, 100 * mib, 100 * mib},
		{512, 500, 250 * mib, 300 * mib},
		{64, 10_000, 300 * mib, 350 * mib},
		{1024, 10_000, 650 * mib, 700 * mib},
	} {
		if got := memoryLimit(test.concurrency, test.batch); got < test.least || got > test.most {
			t.Errorf("%d objects, %d updates: %d MiB", test.concurrency, test.batch, got/mib)
		}
	}
}
