package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// peaks are the largest resident sets, in MB, by what ran and by subject.
type peaks map[string]*series

func (p peaks) note(what string, s subject, megabytes float64) {
	if p[what] == nil {
		p[what] = &series{}
	}
	p[what].add(s, megabytes)
}

// peakOf is the largest resident set of a process that runs, in MB; 0 where the
// kernel does not tell. It is not asked for at the end, as wait4 would: a process
// that was made by a larger one, as by this program, begins there with the size
// of its maker.
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

// watchEvery is how often a process that ends on its own is looked at.
const watchEvery = 20 * time.Millisecond

// watchPeak looks at a process until ended is closed. The memory of the moments
// after the last look is missed.
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

// memory reports how much the processes of the other rows have held.
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
