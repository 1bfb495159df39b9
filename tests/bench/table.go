package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// machine describes the machine and the settings of a run.
type machine struct {
	CPUs    int      `json:"cpus"`
	Load    string   `json:"load,omitempty"` // of other programs, at the start
	Go      string   `json:"go"`
	Engines []string `json:"engines"`
	Size    string   `json:"size"`
	Rounds  int      `json:"rounds"`
}

// table holds all figures of a run.
type table struct {
	Machine machine `json:"machine"`
	Rows    []row   `json:"rows"`
}

// row is one comparison. Limit, Ours and Base are medians of the rounds. The ratios are
// medians of the rounds' ratios, so that a machine that slows down during a run affects both
// sides alike.
type row struct {
	Work      string   `json:"work"`
	Unit      string   `json:"unit"`
	Limit     *float64 `json:"limit,omitempty"`
	Ours      float64  `json:"ours"`
	Base      *float64 `json:"base,omitempty"`
	Ratio     *float64 `json:"ratio,omitempty"`
	BaseRatio *float64 `json:"base_ratio,omitempty"`
	Target    string   `json:"target,omitempty"`
	Met       *bool    `json:"met,omitempty"`
	Samples   *series  `json:"samples,omitempty"`
}

// series holds the figures of each round, for the limit and for each subject.
type series struct {
	Limit []float64 `json:"limit,omitempty"`
	Ours  []float64 `json:"ours"`
	Base  []float64 `json:"base,omitempty"`
}

// target is a bound for the ratio, or for the figure itself if there is no limit.
type target struct {
	value float64
	most  bool // an upper bound
	unit  string
}

func atLeast(v float64) *target             { return &target{value: v} }
func atMost(v float64, unit string) *target { return &target{value: v, most: true, unit: unit} }

func (t *target) String() string {
	sign := ">="
	if t.most {
		sign = "<="
	}
	return strings.TrimSpace(fmt.Sprintf("%s %g %s", sign, t.value, t.unit))
}

func (t *target) met(v float64) bool {
	if t.most {
		return v <= t.value
	}
	return v >= t.value
}

// add appends a row. A nil target means that the row is for information.
func (t *table) add(work, unit string, s series, goal *target) {
	r := row{Work: work, Unit: unit, Ours: median(s.Ours), Samples: &s}
	judged := r.Ours
	if len(s.Limit) > 0 {
		limit, ratio := median(s.Limit), median(quotients(s.Ours, s.Limit))
		r.Limit, r.Ratio, judged = &limit, &ratio, ratio
	}
	if len(s.Base) > 0 {
		base := median(s.Base)
		r.Base = &base
		if len(s.Limit) > 0 {
			ratio := median(quotients(s.Base, s.Limit))
			r.BaseRatio = &ratio
		}
	}
	if goal != nil {
		met := goal.met(judged)
		r.Target, r.Met = goal.String(), &met
	}
	t.Rows = append(t.Rows, r)
}

func (t *table) print(w io.Writer, withBase bool) {
	m := t.Machine
	_, _ = fmt.Fprintf(w, "%d CPUs (load %s before), %s, %s; size %s, rounds %d\n\n", m.CPUs, cmp.Or(m.Load, "unknown"), m.Go, strings.Join(m.Engines, ", "), m.Size, m.Rounds)
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	head := []string{"work", "limit", "ours", "ratio", "target", ""}
	if withBase {
		head = slices.Insert(head, 4, "base", "its ratio")
	}
	_, _ = io.WriteString(out, "| "+strings.Join(head, "\t ")+"\t\n"+"| "+strings.Repeat("---\t ", len(head))+"\n")
	for _, r := range t.Rows {
		cells := []string{r.Work, number(r.Limit, r.Unit), number(&r.Ours, r.Unit), number(r.Ratio, "")}
		if withBase {
			cells = append(cells, number(r.Base, r.Unit), number(r.BaseRatio, ""))
		}
		cells = append(cells, r.Target, r.verdict())
		_, _ = io.WriteString(out, "| "+strings.Join(cells, "\t ")+"\t\n")
	}
	_ = out.Flush()
}

func (r *row) verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return "met"
	}
	return "MISSED"
}

func (t *table) save(path string) error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// number formats a figure with at least three digits.
func number(v *float64, unit string) string {
	if v == nil {
		return "-"
	}
	digits := 0
	if *v != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(*v)))))
	}
	if unit == "" {
		digits = 2
	}
	return strings.TrimSpace(strconv.FormatFloat(*v, 'f', min(digits, 3), 64) + " " + unit)
}

func quotients(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	switch n := len(sorted); {
	case n == 0:
		return math.NaN()
	case n%2 == 0:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	default:
		return sorted[n/2]
	}
}
