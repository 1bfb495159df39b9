package tests

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const monitoring = "../deployment/monitoring/"

// exported collects the names of the metrics from the source code, since a registry lacks a
// labelled metric before its first use. The value is true for a histogram.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	subsystem := regexp.MustCompile(`Subsystem: +"(\w+)"`)
	// Metrics are made directly, or by a helper of the same file that is named after the type.
	name := regexp.MustCompile(`(Counter|Gauge|Histogram)Opts\{[^{}]*Name: +"(\w+)"|\b(counter|gauge|histogram)\("(\w+)"`)
	metrics := map[string]bool{}
	err := filepath.WalkDir("../internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(code), "Subsystem:") {
			return err
		}
		systems := map[string]bool{}
		for _, found := range subsystem.FindAllStringSubmatch(string(code), -1) {
			systems[found[1]] = true
		}
		if len(systems) != 1 {
			return fmt.Errorf("%s has metrics of the subsystems %v: this test can tell only one to a file", path, systems)
		}
		for _, found := range name.FindAllStringSubmatch(string(code), -1) {
			for system := range systems {
				metrics["movies_"+system+"_"+found[2]+found[4]] = strings.EqualFold(found[1]+found[3], "histogram")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return metrics
}

var (
	notMetrics = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)`)
	words      = regexp.MustCompile(`\b([a-zA-Z_:][\w:]*)( *\()?`)
	operators  = []string{"and", "or", "unless", "bool", "offset", "by", "on"}
	ofAll      = []string{"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
)

// metricsOf returns the metrics of a query: the words that are not labels, functions or
// operators.
func metricsOf(query string) []string {
	var found []string
	for _, w := range words.FindAllStringSubmatch(notMetrics.ReplaceAllString(query, " "), -1) {
		if w[2] == "" && !slices.Contains(operators, w[1]) {
			found = append(found, w[1])
		}
	}
	return found
}

func checkQuery(t *testing.T, metrics map[string]bool, query string) {
	t.Helper()
	used := metricsOf(query)
	if len(used) == 0 {
		t.Errorf("no metric in %s", query)
	}
	for _, m := range used {
		bare := m
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, found := strings.CutSuffix(m, suffix); found && metrics[base] {
				bare = base
			}
		}
		histogram, known := metrics[bare]
		if !known && !slices.Contains(ofAll, m) || histogram && bare == m {
			t.Errorf("nothing exports %s, in %s", m, query)
		}
	}
}

func TestMonitoringQueries(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (job, le) (rate(a_bucket{route!~"/b|c"}[5m])) > 0.5 and on (job) d == 0`: "a_bucket d",
		`time() - (x > bool 0) unless increase(y[2m]) > 1e3`:                             "x y",
	} {
		if got := strings.Join(metricsOf(query), " "); got != want {
			t.Errorf("metrics of %s: %s, want %s", query, got, want)
		}
	}
}

func textOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestMonitoringAlerts: every alert uses metrics that exist, and each is explained and tested.
func TestMonitoringAlerts(t *testing.T) {
	metrics := exported(t)
	rules, unit, handbook := textOf(t, monitoring+"alerts.yaml"), textOf(t, monitoring+"alerts_test.yaml"), textOf(t, "../docs/runbook.md")
	alerts := regexp.MustCompile(`(?m)^  - alert: (\w+)\n`).FindAllStringSubmatch(rules, -1)
	queries := regexp.MustCompile(`(?m)^    expr: (?:\|\n((?:      .*\n)+)|(.*)\n)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 10 || len(alerts) != len(queries) {
		t.Fatalf("%d alerts and %d queries found", len(alerts), len(queries))
	}
	for _, q := range queries {
		checkQuery(t, metrics, q[1]+q[2])
	}
	for _, a := range alerts {
		if !strings.Contains(handbook, "\n### "+a[1]+"\n") {
			t.Errorf("docs/runbook.md has no heading %s", a[1])
		}
		if !strings.Contains(rules, "runbook: docs/runbook.md#"+strings.ToLower(a[1])+"\n") {
			t.Errorf("%s does not name its heading", a[1])
		}
		fires := regexp.MustCompile(`alertname: ` + a[1] + `\n +eval_time: \w+\n +exp_alerts:`)
		if !fires.MatchString(unit) {
			t.Errorf("no test fires %s", a[1])
		}
	}
}

// TestMonitoringHandbook: the handbook's table lists all metrics, and no others.
func TestMonitoringHandbook(t *testing.T) {
	want := slices.Sorted(maps.Keys(exported(t)))
	_, chapter, found := strings.Cut(textOf(t, "../docs/runbook.md"), "\n## Metrics\n")
	if !found || len(want) < 17 {
		t.Fatalf("the chapter is there: %t; metrics found: %q", found, want)
	}
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(movies_\\w+)").FindAllStringSubmatch(chapter, -1) {
		got = append(got, row[1])
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the table has\n%q\nthe code exports\n%q", got, want)
	}
}

func TestMonitoringDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Templating struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal([]byte(textOf(t, monitoring+"dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics := exported(t)
	queries := 0
	for _, p := range dashboard.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkQuery(t, metrics, target.Expr)
			queries++
		}
	}
	if queries < 15 {
		t.Errorf("only %d queries found", queries)
	}
	if v := dashboard.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
		t.Errorf("the variables are %v, want datasource first", v)
	}
}
