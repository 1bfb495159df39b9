package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/config"
)

// The worker's memory: a fixed part, and a part for each object in flight and for each
// update of a batch.
const fixedMemory, objectMemory, updateMemory = 64 << 20, 384 << 10, 24 << 10

// concurrency is how many objects are read at a time.
type concurrency struct {
	most     int
	adaptive bool // the store's answers allow fewer
}

// mostAdaptive bounds the objects in flight where the store's answers set their number.
const mostAdaptive = 512

// folderConcurrency is for a folder, which is no faster with more.
const folderConcurrency = 64

// concurrencyOf returns the meaning of MOVIES_WORKER_CONCURRENCY. The memory limits auto.
func concurrencyOf(c config.Concurrency, folder bool, batch int) concurrency {
	switch {
	case c > 0:
		return concurrency{most: int(c)}
	case folder:
		return concurrency{most: folderConcurrency}
	}
	return concurrency{most: fitting(usableMemory(), batch), adaptive: true}
}

// fitting returns how many objects in flight fit into memory, within the bounds.
func fitting(memory int64, batch int) int {
	objects := (memory - fixedMemory - updateMemory*int64(batch)) / objectMemory
	return int(min(max(objects, s3bucket.LeastConcurrency), mostAdaptive))
}

// usableMemory returns GOMEMLIMIT in bytes, or nine tenths of the container's memory if that is less:
// the rest is not the heap's.
func usableMemory() int64 {
	limit := debug.SetMemoryLimit(-1)
	memory, err := memlimit.FromCgroup()
	if err != nil || memory > math.MaxInt64 { // no container, or no limit
		return limit
	}
	return min(limit, int64(memory)/10*9)
}

// limitMemory sets a soft memory limit, unless GOMEMLIMIT is set. The worker's live memory
// is bounded, and the limit makes the collector free garbage before it piles up, at the
// latest when it would reach the container's limit.
func limitMemory(c concurrency, batch int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(min(memoryLimit(c.most, batch), usableMemory()))
	}
}

// memoryLimit returns the limit in bytes. It grows with concurrency and batch, and is at
// least 100 MiB.
func memoryLimit(concurrency, batch int) int64 {
	return max(100<<20, fixedMemory+objectMemory*int64(concurrency)+updateMemory*int64(batch))
}
