package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"jpmovies/internal/worker"
)

// progressBar shows progress on a terminal below the log. A nil bar shows nothing.
type progressBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// newProgress returns nil when the standard error is not a terminal. The log lines that are
// written to the bar appear with it, at the latest when it stops.
func newProgress() *progressBar {
	if !onTerminal() {
		return nil
	}
	return &progressBar{container: mpb.New(mpb.WithOutput(os.Stderr), mpb.WithRefreshRate(200*time.Millisecond))}
}

// Write prints log lines above the bar.
func (p *progressBar) Write(line []byte) (int, error) { return p.container.Write(line) }

// follow shows a worker's progress until stop.
func (p *progressBar) follow(progress func() worker.Progress) {
	if p == nil {
		return
	}
	start, before, rate := time.Now(), int64(0), 0.0
	show := func(decor.Statistics) string {
		now := progress()
		if elapsed := time.Since(start); elapsed >= time.Second {
			rate = float64(now.Updates-before) / elapsed.Seconds()
			start, before = time.Now(), now.Updates
		}
		return fmt.Sprintf("%d objects read, %d updates (%.0f/s), %d waiting", now.Objects, now.Updates, rate, now.Waiting)
	}
	p.bar = p.container.New(0, mpb.SpinnerStyle(), mpb.AppendDecorators(decor.Any(show)), mpb.BarRemoveOnComplete())
}

// count shows the progress of a known amount, its rate and the remaining time; set sets
// how much is done.
func (p *progressBar) count(unit string, total int64) {
	if p == nil {
		return
	}
	amounts, speed := decor.CountersNoUnit("%d / %d "+unit), decor.AverageSpeed(0, "%.0f/s ")
	if unit == "bytes" {
		amounts, speed = decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "% .1f ")
	}
	p.bar = p.container.AddBar(total, mpb.PrependDecorators(amounts, decor.Name(" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), speed, decor.AverageETA(decor.ET_STYLE_GO)), mpb.BarRemoveOnComplete())
}

func (p *progressBar) set(done int64) {
	if p != nil {
		p.bar.SetCurrent(done)
	}
}

func (p *progressBar) stop() {
	if p == nil {
		return
	}
	if p.bar == nil { // without a bar, lines of the last moment would not be written
		p.bar = p.container.New(0, mpb.NopStyle(), mpb.BarRemoveOnComplete())
	}
	p.bar.Abort(true)
	p.container.Wait()
}
