package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"jpmovies/internal/telemetry"
)

func TestTextLogger(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.Logger(&out, slog.LevelInfo, false)
	logger.Debug("hidden")
	logger.Info("pass", "objects", 3, slog.Group("of", slog.String("time", "mine")))
	want := regexp.MustCompile(`^time=\d\d:\d\d:\d\d\.\d\d\d level=INFO msg=pass objects=3 of\.time=mine\n$`)
	if !want.Match(out.Bytes()) {
		t.Errorf("%q does not match %s", out.String(), want)
	}
}

func TestJSONLogger(t *testing.T) {
	var out bytes.Buffer
	logger := telemetry.Logger(&out, slog.LevelWarn, true)
	logger.Info("hidden")
	logger.Warn("waiting", "for", errors.New("a \"database\"\n"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v: %q", err, out.String())
	}
	if line["level"] != "WARN" || line["msg"] != "waiting" || line["for"] != "a \"database\"\n" || line["time"] == nil {
		t.Errorf("%v", line)
	}
}

// TestMetrics: each registry is its own, and shows runtime and process.
func TestMetrics(t *testing.T) {
	for range 2 {
		families, err := telemetry.Metrics().Gather()
		if err != nil {
			t.Fatal(err)
		}
		names := " "
		for _, f := range families {
			names += f.GetName() + " "
		}
		for _, name := range []string{"go_goroutines", "go_memstats_heap_alloc_bytes", "process_start_time_seconds"} {
			if !strings.Contains(names, " "+name+" ") {
				t.Errorf("no %s in%s", name, names)
			}
		}
	}
}
