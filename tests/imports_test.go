package tests

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layout reads from the table of docs/design.md which of our packages each package may import.
// A new package needs a noun, and a row there.
func layout(t *testing.T) map[string][]string {
	t.Helper()
	_, table, found := strings.Cut(textOf(t, "../docs/design.md"), "| package | content | may import, of ours |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatal("docs/design.md has no table of packages")
	}
	names := func(cell string) (all []string) {
		for _, m := range regexp.MustCompile("`([a-z0-9/]+)`").FindAllStringSubmatch(cell, -1) {
			if m[1] == "client" { // the public package
				all = append(all, m[1])
			} else {
				all = append(all, "internal/"+m[1])
			}
		}
		return all
	}
	allowed, command := map[string][]string{"tests/bench": {}, "tests/compare": {}, "tests/history": {}, "tests/mutate": {}, "tests/mutation": {}, "tests/powercut": {}, "examples/mirror": {"client"}, "examples/producer": {}}, []string{}
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		for _, name := range names(cells[1]) {
			allowed[name] = names(cells[3])
			if !strings.HasSuffix(name, "test") && name != "internal/database/migrations" && name != "client" {
				command = append(command, name)
			}
		}
	}
	allowed["cmd/jpmovies"] = command
	return allowed
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	layout, seen := layout(t), 0
	for packages := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath       string
			Imports, GoFiles []string
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "jpmovies/")
		if len(p.GoFiles) == 0 { // tests only
			continue
		}
		seen++
		allowed, known := layout[name]
		if !known {
			t.Errorf("package %s is not in the layout", name)
		}
		for _, i := range p.Imports {
			if ours, found := strings.CutPrefix(i, "jpmovies/"); found && !slices.Contains(allowed, ours) {
				t.Errorf("%s must not import %s", name, ours)
			}
		}
	}
	if seen != len(layout) {
		t.Errorf("%d packages found, the layout has %d", seen, len(layout))
	}
}
