package main

import (
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar shows on a terminal how much of a known amount is done, how fast, and how
// long the rest will take. Nil shows nothing.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// newBar is nil when standard error is no terminal.
func newBar(out *os.File, unit string, total int64) *bar {
	if !onTerminal() {
		return nil
	}
	c := mpb.New(mpb.WithOutput(out), mpb.WithRefreshRate(200*time.Millisecond))
	amounts, speed := decor.CountersNoUnit("%d / %d "+unit), decor.AverageSpeed(0, "%.0f/s ")
	if unit == "bytes" {
		amounts, speed = decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "% .1f ")
	}
	return &bar{container: c, bar: c.AddBar(total,
		mpb.PrependDecorators(amounts, decor.Name(" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), speed, decor.AverageETA(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete())}
}

// set says how much is done.
func (b *bar) set(done int64) {
	if b != nil {
		b.bar.SetCurrent(done)
	}
}

// Write puts log lines above the bar.
func (b *bar) Write(line []byte) (int, error) { return b.container.Write(line) }

func (b *bar) stop() {
	if b != nil {
		b.bar.Abort(true)
		b.container.Wait()
	}
}
