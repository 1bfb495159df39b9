package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"jpmovies/internal/worker"
)

// progressBar shows on a terminal what a worker is doing, below its log. Nil
// shows nothing.
type progressBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// newProgress is nil when out is no terminal.
func newProgress(out *os.File) *progressBar {
	if !onTerminal() {
		return nil
	}
	return &progressBar{container: mpb.New(mpb.WithOutput(out), mpb.WithRefreshRate(200*time.Millisecond))}
}

// Write puts log lines above the bar.
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

func (p *progressBar) stop() {
	if p == nil {
		return
	}
	if p.bar != nil {
		p.bar.Abort(true)
	}
	p.container.Wait()
}
