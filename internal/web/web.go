// Package web holds the pages: for browsing, for operators, and the reference of the
// API. They are static files, and clients of the HTTP API like any other. Nothing is
// built, nothing comes from elsewhere.
//
// The files are served below a folder whose name is a hash of them all, so that
// browsers keep them for a year and an upgrade is seen at once. The pages name that
// folder; modules import each other by relative paths, which stay inside it.
package web

import (
	"fmt"
	"net/http"
	"strings"

	"jpmovies/internal/negotiation"
)

// Path is where the pages' files are served.
const Path = "/web/"

// policy lets a page use files and answers of its own server, and nothing else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Values of Cache-Control. revalidate: the browser asks each time whether its copy is
// still the current one.
const (
	immutable  = "public, max-age=31536000, immutable"
	revalidate = "no-cache"
)

// Files serves the pages' files under Path. During a rollout a page of another release
// asks for a folder that this one does not have: it gets the current file, which it must
// not keep under that name.
func Files() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		all := load()
		name, cache := strings.TrimPrefix(r.URL.Path, Path), revalidate
		if folder, rest, found := strings.Cut(name, "/"); found {
			name = rest
			if folder == all.version {
				cache = immutable
			}
		}
		f, found := all.files[name]
		if !found {
			refuse(w, http.StatusNotFound, "no such file")
			return
		}
		f.serve(w, r, cache)
	})
}

// Beside serves the browse page to browsers that ask for /, the API reference at /docs,
// the pages' files, and leaves everything else to next.
func Beside(next http.Handler) http.Handler {
	browse, docs, static := browsePage(), page("docs.html"), Files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		isFile, isDocs := strings.HasPrefix(r.URL.Path, Path), r.URL.Path == "/docs"
		switch {
		case !read && (isFile || isDocs):
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "this is a page, expected GET or HEAD")
		case isFile:
			static.ServeHTTP(w, r)
		case isDocs:
			docs.ServeHTTP(w, r)
		case read && r.URL.Path == "/" && negotiation.Prefers(r.Header.Values("Accept"), "text/html", "application/json"):
			browse.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse answers with a problem, as the API does (RFC 9457).
func refuse(w http.ResponseWriter, status int, detail string) {
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"about:blank","title":%q,"status":%d,"detail":%q}`+"\n", http.StatusText(status), status, detail)
}

// Admin serves the operators' page.
func Admin() http.Handler { return page("admin.html") }

// browsePage has the first movies fetched beside its scripts, not after them.
func browsePage() http.Handler {
	plain := page("index.html")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if r.URL.RawQuery == "" {
			w.Header().Set("Link", "<movies>; rel=preload; as=fetch; crossorigin=anonymous")
		}
		plain.ServeHTTP(w, r)
	})
}

// page serves a page. Its answer may be kept, and is asked for again each time: it names
// the folder of the files that belong to it.
func page(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		load().pages[name].serve(w, r, revalidate)
	})
}

func protect(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
}
