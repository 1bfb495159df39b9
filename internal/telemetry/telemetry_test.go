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
	logger.Warn("retrying", "error", errors.New("a \"database\"\n"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("%v: %q", err, out.String())
	}
	if line["level"] != "WARN" || line["msg"] != "retrying" || line["error"] != "a \"database\"\n" || line["time"] == nil {
		t.Errorf("%v", line)
	}
}

// TestMetrics: each registry is independent, and has the metrics of runtime and process.
func TestMetrics(t *testing.T) {
	for range 2 {
		families, err := telemetry.Metrics("1.2.3").Gather()
		if err != nil {
			t.Fatal(err)
		}
		names := " "
		for _, f := range families {
			names += f.GetName() + " "
			if f.GetName() == "movies_build_info" {
				if got := f.GetMetric()[0]; got.GetGauge().GetValue() != 1 || got.GetLabel()[1].GetValue() != "1.2.3" {
					t.Errorf("movies_build_info is %v", got)
				}
			}
		}
		for _, name := range []string{"go_goroutines", "go_memstats_heap_alloc_bytes", "process_start_time_seconds", "movies_build_info"} {
			if !strings.Contains(names, " "+name+" ") {
				t.Errorf("no %s in%s", name, names)
			}
		}
	}
}

// TestOTLPSettings: the program warns at the start about settings that cannot work.
func TestOTLPSettings(t *testing.T) {
	for name, test := range map[string]struct {
		set  map[string]string
		want string // in the log; "" for no warning
	}{
		"right":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, ""},
		"right, spoken": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ""},
		"port of gRPC":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT is .*4317 is the gRPC port"},
		"gRPC":          {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is .*only http/protobuf"},
		"JSON":          {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "TRACES_PROTOCOL is .*only http/protobuf"},
		"no scheme":     {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"}, "TRACES_ENDPOINT is .*expected a URL"},
		"off":           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_SDK_DISABLED": "true"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range test.set {
				t.Setenv(variable, value)
			}
			var out bytes.Buffer
			_, flush, err := telemetry.Tracing(t.Context(), "test", "1", telemetry.Logger(&out, slog.LevelInfo, true))
			if err != nil {
				t.Fatal(err)
			}
			flush()
			matched, err := regexp.MatchString(`"level":"WARN","msg":"spans will probably be lost","reason":".*`+test.want, out.String())
			if err != nil || matched != (test.want != "") {
				t.Errorf("the log is %s, want %q", out.String(), test.want)
			}
		})
	}
}
