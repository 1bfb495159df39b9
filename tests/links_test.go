package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks: every link between documents leads to a file, and to a heading in it.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil || len(documents) < 10 {
		t.Fatalf("%d documents: %v", len(documents), err)
	}
	link := regexp.MustCompile(`\]\(([^)\s]*)\)`)
	found := 0
	for _, document := range append(documents, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md", "../examples/README.md") {
		for _, l := range link.FindAllStringSubmatch(textOf(t, document), -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			found++
			name, anchor, _ := strings.Cut(l[1], "#")
			target := document
			if name != "" {
				target = filepath.Join(filepath.Dir(document), name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link to %s: %v", document, l[1], err)
			} else if anchor != "" && !hasHeading(textOf(t, target), anchor) {
				t.Errorf("%s: %s has no heading #%s", document, target, anchor)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d links found", found)
	}
}

var (
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInSlugs = regexp.MustCompile(`[^a-z0-9 -]`)
)

// hasHeading reports whether a document has a heading with the anchor that GitHub gives it.
func hasHeading(document, anchor string) bool {
	for _, h := range heading.FindAllStringSubmatch(document, -1) {
		if strings.ReplaceAll(notInSlugs.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
