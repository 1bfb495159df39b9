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

// TestFitting: the memory bounds the objects in flight, from 16 to 512.
func TestFitting(t *testing.T) {
	const mib = 1 << 20
	for memory, want := range map[int64]int{1 << 62: 512, 400 * mib: 512, 172 * mib: 256, 80 * mib: 16, 0: 16} {
		if got := fitting(memory, 512); got != want {
			t.Errorf("%d objects fit into %d MiB, want %d", got, memory/mib, want)
		}
	}
}
