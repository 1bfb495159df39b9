package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEnvironment: the README's table lists the variables that the program reads, with their
// defaults.
func TestEnvironment(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, settings, _ := strings.Cut(string(readme), "| variable | default | |\n")
	settings, _, _ = strings.Cut(settings, "\n\n")
	known := map[string]bool{}
	for _, v := range append(workerSettings, apiSettings...) {
		known[v.Name] = true
		if v.Help == "" {
			t.Errorf("%s has no help", v.Name)
		}
		if !strings.HasPrefix(v.Name, "MOVIES_") {
			continue
		}
		row := regexp.MustCompile("(?m)^.*`" + v.Name + "`.*$").FindString(settings)
		if row == "" || !strings.Contains(row, v.Default) {
			t.Errorf("%s, default %q: the README has %q", v.Name, v.Default, row)
		}
	}
	for _, name := range regexp.MustCompile("MOVIES_[A-Z_]+").FindAllString(settings, -1) {
		if !known[name] {
			t.Errorf("the README has %s, which is not read", name)
		}
	}
	if len(known) < 30 {
		t.Errorf("%d variables", len(known))
	}
}
