package web

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
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

// TestFiles: a file below this release's folder may be cached for a year. Below another
// folder, or none, the same file must not be cached.
func TestFiles(t *testing.T) {
	for path, cache := range map[string]string{
		"/web/" + load().version + "/browse.js": "public, max-age=31536000, immutable", "/web/" + load().version + "/icon.svg": "public, max-age=31536000, immutable",
		"/web/0123456789ab/browse.js": "no-cache", "/web/browse.js": "no-cache", "/web/style.css": "no-cache",
		"/web/": "no-store", "/web/none.js": "no-store", "/web/index.html": "no-store", "/web/" + load().version + "/": "no-store", "/web/" + load().version: "no-store",
		"/web/" + load().version + "/none.js": "no-store", "/web/../web.go": "no-store", "/web/a/b/browse.js": "no-store",
	} {
		w := ask(t, "GET", path, "")
		status := http.StatusOK
		if cache == "no-store" {
			status = http.StatusNotFound
		}
		if w.Code != status || w.Header().Get("Cache-Control") != cache {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Header().Get("Cache-Control"), status, cache)
		}
		checkPolicies(t, path, w)
	}
}

// checkPolicies checks the headers that restrict what a page can load, and where it can send
// data.
func checkPolicies(t *testing.T, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
	} {
		if got := w.Header().Values(name); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %s is %q, want %q", path, name, got, want)
		}
	}
}

// TestPolicies: the pages have the policies too, as do those for operators.
func TestPolicies(t *testing.T) {
	for _, path := range []string{"/", "/docs"} {
		checkPolicies(t, path, ask(t, "GET", path, "text/html"))
	}
	w := httptest.NewRecorder()
	Admin().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	checkPolicies(t, "the operators' page", w)
}

// TestVersion: any change of any file changes the folder, and pages link to it.
func TestVersion(t *testing.T) {
	files := func(script string) *fileSet {
		return read(fstest.MapFS{
			"index.html": {Data: []byte(`<link rel="modulepreload" href="web/a.js"><script src="web/a.js"></script><a href="docs">`)},
			"a.js":       {Data: []byte(script)},
		})
	}
	one, same, other := files("import './b.js'"), files("import './b.js'"), files("import './c.js'")
	if one.version != same.version || one.version == other.version {
		t.Errorf("versions %s, %s, and %s of other files", one.version, same.version, other.version)
	}
	want := fmt.Sprintf(`<link rel="modulepreload" href="web/%[1]s/a.js"><script src="web/%[1]s/a.js"></script><a href="docs">`, one.version)
	if got := string(one.pages["index.html"].plain); got != want {
		t.Errorf("the page is %s, want %s", got, want)
	}
	if one.pages["index.html"].tag == other.pages["index.html"].tag {
		t.Error("the page names another folder under the same entity tag")
	}
}

// TestReferences: every file that a page or a module refers to exists, below the folder.
func TestReferences(t *testing.T) {
	for name, f := range load().pages {
		names := regexp.MustCompile(`(?:href|src)="web/([^"]*)"`).FindAllSubmatch(f.plain, -1)
		if len(names) == 0 {
			t.Errorf("%s names no file", name)
		}
		for _, n := range names {
			if w := ask(t, "GET", Path+string(n[1]), ""); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s names %s: %d %s", name, n[1], w.Code, w.Header().Get("Cache-Control"))
			}
		}
	}
	for name, f := range load().files {
		for _, n := range regexp.MustCompile(`from "\./([^"]*)"`).FindAllSubmatch(f.plain, -1) {
			if load().files[string(n[1])] == nil {
				t.Errorf("%s imports %s", name, n[1])
			}
		}
	}
}

// TestEncodings: all encodings of a file decode to the same bytes.
func TestEncodings(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "gzip, deflate, br, zstd": "zstd", "zstd;q=0.5, gzip": "gzip", "GZIP;q=0.1": "gzip", "*": "zstd",
		"identity": "", "gzip;q=0": "", "gzip;q=none": "", "br": "", "identity, gzip;q=0.5": "", "*;q=0": "",
	} {
		for _, path := range []string{"/web/browse.js", "/docs"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			if accept != "" {
				r.Header.Set("Accept-Encoding", accept)
			}
			w := httptest.NewRecorder()
			Beside(nil).ServeHTTP(w, r)
			plain := ask(t, "GET", path, "").Body.Bytes()
			if got := w.Header().Get("Content-Encoding"); got != want || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("%s for %q: %q, length %s of %d, want %q", path, accept, got, w.Header().Get("Content-Length"), w.Body.Len(), want)
			}
			if want != "" && w.Body.Len() >= len(plain) {
				t.Errorf("%s is %d bytes in %s, and %d without", path, w.Body.Len(), want, len(plain))
			}
			if got := decoded(t, want, w.Body); !bytes.Equal(got, plain) {
				t.Errorf("%s for %q differs", path, accept)
			}
			if !slices.Contains(w.Header().Values("Vary"), "Accept-Encoding") {
				t.Errorf("%s: Vary %q", path, w.Header().Values("Vary"))
			}
		}
	}
}

func decoded(t *testing.T, encoding string, body io.Reader) []byte {
	t.Helper()
	var err error
	switch encoding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestRevalidate: a client whose entity tag matches gets a 304.
func TestRevalidate(t *testing.T) {
	for _, path := range []string{"/", "/docs", "/web/browse.js"} {
		get := func(tag string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			r.Header.Set("Accept", "text/html")
			r.Header.Set("If-None-Match", tag)
			w := httptest.NewRecorder()
			Beside(nil).ServeHTTP(w, r)
			return w
		}
		tag := get(`"other"`).Header().Get("Etag")
		for sent, status := range map[string]int{
			tag: 304, strings.TrimPrefix(tag, "W/"): 304, `"a", ` + tag: 304, "*": 304, `"other"`: 200, `W/"` + tag[3:]: 304, strings.ReplaceAll(tag, `"`, ""): 200,
		} {
			w := get(sent)
			if w.Code != status || (w.Body.Len() == 0) != (status == 304) || w.Header().Get("Etag") != tag || w.Header().Get("Cache-Control") != "no-cache" {
				t.Errorf("%s for %s: %d, %d bytes, %v, want %d", path, sent, w.Code, w.Body.Len(), w.Header(), status)
			}
		}
	}
}

// TestDocs: /docs is a page whatever the client accepts. Like the files, it is read-only.
func TestDocs(t *testing.T) {
	for _, accept := range []string{"", "application/json", "text/html"} {
		w := ask(t, "GET", "/docs", accept)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%q: %d %v", accept, w.Code, w.Header())
		}
	}
	if w := ask(t, "HEAD", "/docs", ""); w.Code != http.StatusOK || w.Header().Get("Etag") == "" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/docs", "/web/style.css"} {
		w := ask(t, "POST", path, "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("POST %s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/docs/", "/docs/x"} {
		if w := ask(t, "GET", path, ""); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d, want it to be left to the API", path, w.Code)
		}
	}
}

// TestPagesKeepThePolicy: the files contain nothing that the content security policy blocks,
// inline or from other hosts, and all of them are small.
func TestPagesKeepThePolicy(t *testing.T) {
	size := 0
	err := fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(path)
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
	if size > 80*1024 {
		t.Errorf("the pages weigh %d bytes, want at most 80 KiB", size)
	}
	t.Logf("all files: %d bytes", size)
}
