// Package web is the browse page and the operators' page: static files, clients
// of the HTTP API like any other. Nothing is built, nothing comes from elsewhere.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
)

// files are all there is.
//
//go:embed static
var files embed.FS

// Path is where the pages' files are served.
const Path = "/web/"

// policy lets a page use files and answers of its own server, and nothing else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Files serves the pages' files under Path.
func Files() http.Handler {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // only for an invalid path
	}
	server := http.StripPrefix(strings.TrimSuffix(Path, "/"), http.FileServerFS(static))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if strings.HasSuffix(r.URL.Path, "/") { // no listings
			http.NotFound(w, r)
			return
		}
		// A new program may bring new files under the same names.
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}

// Beside serves the browse page to browsers that ask for /, the pages' files,
// and leaves all else to next.
func Beside(next http.Handler) http.Handler {
	browse, static := browsePage(), Files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case read && strings.HasPrefix(r.URL.Path, Path):
			static.ServeHTTP(w, r)
		case read && r.URL.Path == "/" && prefersHTML(r.Header.Values("Accept")):
			browse.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// prefersHTML tells a browser from a program: it names text/html, and likes it at
// least as much as JSON.
func prefersHTML(headers []string) bool {
	html, json := 0.0, 0.0
	for _, header := range headers {
		for one := range strings.SplitSeq(header, ",") {
			name, parameters, _ := strings.Cut(one, ";")
			q := 1.0
			if text, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q="); found {
				q, _ = strconv.ParseFloat(text, 64) // what is no number is 0
			}
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "text/html":
				html = q
			case "application/json":
				json = q
			}
		}
	}
	return html > 0 && html >= json
}

// Admin serves the operators' page.
func Admin() http.Handler { return page("static/admin.html") }

// browsePage has the first movies fetched beside its scripts, not after them.
func browsePage() http.Handler {
	plain := page("static/index.html")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.Header().Set("Link", "<movies>; rel=preload; as=fetch; crossorigin=anonymous")
		}
		plain.ServeHTTP(w, r)
	})
}

func page(name string) http.Handler {
	body, err := files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		protect(header)
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Cache-Control", "no-cache")
		header.Set("Vary", "Accept")
		_, _ = w.Write(body) // the client went away: nobody is left to tell
	})
}

func protect(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
}
