package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func ask(t *testing.T, method, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	Beside(next).ServeHTTP(w, r)
	return w
}

func TestWhoGetsThePage(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
	for _, test := range []struct {
		method, path, accept string
		page                 bool
	}{
		{"GET", "/", browser, true},
		{"GET", "/?q=lion&movie=3", browser, true},
		{"HEAD", "/", browser, true},
		{"GET", "/", "", false},
		{"GET", "/", "*/*", false},
		{"GET", "/", "application/json", false},
		{"GET", "/", "text/html;q=0.5, application/json", false},
		{"GET", "/", "text/html;q=0", false},
		{"POST", "/", browser, false},
		{"GET", "/movies", browser, false},
	} {
		w := ask(t, test.method, test.path, test.accept)
		if got := w.Code != http.StatusTeapot; got != test.page {
			t.Errorf("%s %s for %q: page %t, want %t", test.method, test.path, test.accept, got, test.page)
		}
	}
}

func TestFiles(t *testing.T) {
	for path, status := range map[string]int{
		"/web/style.css": 200, "/web/browse.js": 200, "/web/icon.svg": 200, "/web/": 404, "/web/none.js": 404, "/web/../web.go": 404,
	} {
		w := ask(t, "GET", path, "")
		if w.Code != status {
			t.Errorf("%s: %d, want %d", path, w.Code, status)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s has no policy", path)
		}
	}
}

// TestPagesKeepThePolicy: nothing inline and nothing from elsewhere, which the
// policy would refuse; and all of it is small.
func TestPagesKeepThePolicy(t *testing.T) {
	size := 0
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		size += len(content)
		text := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")
		if elsewhere := regexp.MustCompile(`(https?:)?//[a-z0-9]+\.[a-z]+`).FindString(text); elsewhere != "" {
			t.Errorf("%s names %s", path, elsewhere)
		}
		if strings.HasSuffix(path, ".html") {
			if inline := regexp.MustCompile(`<script>|<style|\son[a-z]+=|\sstyle=`).FindString(text); inline != "" {
				t.Errorf("%s has inline code: %s", path, inline)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > 80<<10 {
		t.Errorf("the pages weigh %d bytes, want at most 80 KiB", size)
	}
	t.Logf("all files: %d bytes", size)
}
