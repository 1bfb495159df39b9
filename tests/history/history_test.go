package history

import (
	"strings"
	"testing"
	"time"
)

// TestHistory: each fault is found, and what is allowed is none.
func TestHistory(t *testing.T) {
	begin := time.Now()
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	answer := func(process string, began float64, revision int64, body string) Answer {
		return Answer{process, "/movies", at(began), at(began + 0.1), revision, 0, body}
	}
	aged := func(a Answer, age time.Duration) Answer {
		a.Age = age
		return a
	}
	for name, test := range map[string]struct {
		play func(*History)
		want string // a part of the only fault; none if empty
	}{
		"all is well": {func(h *History) {
			h.Committed(at(1), 1, 0)
			h.Add(answer("a", 2, 1, "x"))
			h.Add(answer("b", 3, 1, "x"))
			h.Committed(at(4), 2, h.Newest())
			h.Add(answer("a", 5, 2, "y"))
		}, ""},
		"a process goes back": {func(h *History) {
			h.Add(answer("a", 1, 2, "x"))
			h.Add(answer("a", 2, 1, "y"))
		}, "a shows revision 1 after 2"},
		"concurrent answers in either order": {func(h *History) {
			h.Add(answer("a", 1, 2, "x"))
			h.Add(answer("a", 1.05, 1, "y"))
		}, ""},
		"an answer that is recorded late": {func(h *History) {
			h.Add(answer("a", 3, 2, "x"))
			h.Add(answer("a", 1, 3, "y"))
			h.Add(answer("a", 2, 2, "x"))
		}, "a shows revision 2 after 3"},
		"two processes may be at different revisions": {func(h *History) {
			h.Add(answer("a", 1, 2, "x"))
			h.Add(answer("b", 2, 1, "y"))
		}, ""},
		"behind for too long": {func(h *History) {
			h.Committed(at(1), 5, 0)
			h.Add(answer("a", 4.1, 4, "x"))
		}, "though 5 was committed"},
		"not behind for too long": {func(h *History) {
			h.Committed(at(1), 5, 0)
			h.Add(answer("a", 3.9, 4, "x"))
		}, ""},
		"as old as its age": {func(h *History) {
			h.Committed(at(1), 5, 0)
			h.Add(aged(answer("a", 60, 4, "x"), 58*time.Second))
		}, ""},
		"older than its age": {func(h *History) {
			h.Committed(at(1), 5, 0)
			h.Add(aged(answer("a", 60, 4, "x"), 50*time.Second))
		}, "with Age 50s"},
		"two processes differ": {func(h *History) {
			h.Add(answer("a", 1, 1, "x"))
			h.Add(answer("b", 1, 1, "y"))
		}, "a and b differ at revision 1"},
		"shown, but lost by the database": {func(h *History) {
			h.Add(answer("a", 1, 7, "x"))
			h.Committed(at(2), 6, h.Newest())
		}, "has shown 7 before"},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(time.Second)
			test.play(h)
			_, _, faults := h.Result()
			switch {
			case test.want == "" && len(faults) > 0:
				t.Errorf("faults %q", faults)
			case test.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], test.want)):
				t.Errorf("faults %q, want one with %q", faults, test.want)
			}
		})
	}
}
