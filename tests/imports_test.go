package tests

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layout says which packages of ours each package may import. A package that is
// not here needs a noun, and a line.
var layout = map[string][]string{
	"internal/movie":                   {},
	"internal/bucket":                  {},
	"internal/config":                  {},
	"internal/server":                  {},
	"internal/telemetry":               {},
	"internal/negotiation":             {},
	"internal/web":                     {"internal/negotiation"},
	"internal/report":                  {"internal/movie"},
	"internal/decode":                  {"internal/movie"},
	"internal/bucket/s3bucket":         {"internal/bucket"},
	"internal/bucket/dirbucket":        {"internal/bucket"},
	"internal/bucket/buckettest":       {"internal/bucket"},
	"internal/queue":                   {},
	"internal/queue/sqsqueue":          {"internal/queue"},
	"internal/queue/queuetest":         {"internal/queue"},
	"internal/worker":                  {"internal/movie", "internal/report", "internal/decode", "internal/bucket", "internal/queue"},
	"internal/database":                {"internal/database/migrations"},
	"internal/database/migrations":     {},
	"internal/database/databasetest":   {"internal/database"},
	"internal/catalogue":               {"internal/movie", "internal/report", "internal/database"},
	"internal/catalogue/cataloguetest": {"internal/movie", "internal/catalogue", "internal/database", "internal/database/databasetest"},
	"internal/audit":                   {"internal/movie", "internal/report", "internal/catalogue", "internal/database"},
	"internal/index":                   {"internal/movie"},
	"internal/api":                     {"internal/movie", "internal/report", "internal/index", "internal/negotiation"},
	"tests/bench":                      {},
	"cmd/jpmovies": {
		"internal/movie", "internal/report", "internal/bucket", "internal/config", "internal/server", "internal/telemetry", "internal/decode",
		"internal/bucket/s3bucket", "internal/bucket/dirbucket", "internal/queue", "internal/queue/sqsqueue",
		"internal/worker", "internal/database", "internal/catalogue", "internal/audit", "internal/index", "internal/api", "internal/web",
	},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
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
