package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/telemetry"
)

// lineWriter records each Write. If it is full, the first one fails.
type lineWriter struct {
	writes []string
	full   bool
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if w.full {
		w.full = false
		return 0, errors.New("no space left on device")
	}
	w.writes = append(w.writes, string(p))
	return len(p), nil
}

func TestLines(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*slog.Logger, *telemetry.Lines)
		want []int // lines of each write
	}{
		"wait and are written together": {func(l *slog.Logger, _ *telemetry.Lines) {
			l.Info("a")
			l.With("k", "v").WithGroup("g").Info("b")
		}, nil},
		"do not wait for long": {func(l *slog.Logger, _ *telemetry.Lines) {
			l.Info("a")
			l.Info("b")
			time.Sleep(150 * time.Millisecond)
			l.Info("c")
			time.Sleep(time.Hour)
		}, []int{2, 1}},
		"a warning does not wait": {func(l *slog.Logger, _ *telemetry.Lines) {
			l.Info("a")
			l.With("k", "v").Warn("b")
			l.Error("c")
		}, []int{2, 1}},
		"the end": {func(l *slog.Logger, lines *telemetry.Lines) {
			l.Info("a")
			lines.Flush()
			lines.Flush()
		}, []int{1}},
		"many are written before": {func(_ *slog.Logger, lines *telemetry.Lines) {
			for range 70 {
				_, _ = lines.Write([]byte(strings.Repeat("a", 999) + "\n"))
			}
		}, []int{65}},
		"a line of any length": {func(l *slog.Logger, _ *telemetry.Lines) {
			l.Info(strings.Repeat("a", 100_000))
			l.Warn("b")
		}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &lineWriter{}
				lines := telemetry.NewLines(out)
				test.do(telemetry.Logger(lines, slog.LevelInfo, true), lines)
				synctest.Wait()
				if len(out.writes) != len(test.want) {
					t.Fatalf("%d writes: %.300q", len(out.writes), out.writes)
				}
				for i, written := range out.writes {
					if n := strings.Count(written, "\n"); n != test.want[i] || !strings.HasSuffix(written, "\n") {
						t.Errorf("write %d has %d lines", i, n)
					}
				}
			})
		})
	}
}

// TestLinesAfterFailure: a full disk loses lines, and no later ones.
func TestLinesAfterFailure(t *testing.T) {
	out := &lineWriter{full: true}
	logger := telemetry.Logger(telemetry.NewLines(out), slog.LevelInfo, true)
	logger.Warn("lost")
	logger.Warn("kept")
	if len(out.writes) != 1 || !bytes.Contains([]byte(out.writes[0]), []byte("kept")) {
		t.Errorf("written: %q", out.writes)
	}
}
