package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// peaks holds the largest resident sets, in MB, by kind of process and subject.
type peaks map[string]*series

func (p peaks) note(what string, s subject, megabytes float64) {
	if p[what] == nil {
		p[what] = &series{}
	}
	p[what].add(s, megabytes)
}

// peakOf returns the largest resident set of a running process in MB, or 0 if the kernel does
// not report it. The figure of wait4 would be too high: a child starts with the peak of its
// larger parent, this program.
func peakOf(pid int) float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes float64
	if _, err := fmt.Sscan(after, &kilobytes); err != nil {
		return 0
	}
	return kilobytes / 1024
}

// watchEvery is the polling interval for a process that ends on its own.
const watchEvery = 20 * time.Millisecond

// watchPeak polls the peak of a process until ended is closed. It misses growth after the last
// poll.
func watchPeak(pid int, ended <-chan struct{}) (peak float64) {
	for tick := time.NewTicker(watchEvery); ; {
		select {
		case <-tick.C:
			peak = max(peak, peakOf(pid))
		case <-ended:
			tick.Stop()
			return peak
		}
	}
}

// memory reports the peak memory of the processes of the other rows.
func (b *bench) memory(context.Context) error {
	goals := map[string]*target{"worker": atMost(150, "MB"), "API": atMost(100+defaultCacheMB, "MB")}
	for _, what := range []string{"worker", "API"} {
		s := b.peaks[what]
		if s == nil {
			continue
		}
		most := series{Ours: []float64{percentile(s.Ours, 1)}}
		if len(s.Base) > 0 {
			most.Base = []float64{percentile(s.Base, 1)}
		}
		b.table.add("largest memory of the "+what, "MB", most, goals[what])
	}
	return nil
}
