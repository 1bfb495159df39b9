package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// These are the samples as the API shows them.
const (
	one  = `{"id": 1, "title": "The dawn", "year": 2020, "cast": ["Chris Ruf", "Mark Zei"], "genres": ["Politics"], "self_url": "/movies/1"}`
	two  = `{"id": 2, "title": "He said \"hi\" \\ <b>&", "year": 1999, "cast": [], "genres": [], "self_url": "/movies/2"}`
	four = `{"id": 4, "title": "007", "year": 1962, "cast": ["Sean Connery"], "genres": ["Action", "Politics"], "self_url": "/movies/4"}`
	five = `{"id": 5, "title": "a` + "\u2028" + `b\u0001\té🎬", "year": 2020, "cast": ["Mark Zei"], "genres": ["Drama"], "self_url": "/movies/5"}`
)

// page returns a page as the API shows it.
func page(next string, movies ...string) string {
	if next != "null" {
		next = `"` + next + `"`
	}
	if len(movies) == 0 {
		return "{\"movies\": [],\n\"next_url\": " + next + "}\n"
	}
	return "{\"movies\": [\n" + strings.Join(movies, ",\n") + "\n],\n\"next_url\": " + next + "}\n"
}

func TestRead(t *testing.T) {
	requests := []struct{ url, body string }{
		{"/", `{"movies_url": "/movies"}` + "\n"},
		{"/?", `{"movies_url": "/movies"}` + "\n"},
		{"/movies/1", one + "\n"},
		{"/movies/2", two + "\n"},
		{"/movies/4", four + "\n"},
		{"/movies/5", five + "\n"},
		{"/movies/%34", four + "\n"},

		{"/movies", page("null", five, four, two, one)},
		{"/movies?", page("null", five, four, two, one)},
		{"/movies?limit=100", page("null", five, four, two, one)},
		{"/movies?limit=4", page("null", five, four, two, one)},
		{"/movies?limit=3", page("/movies?limit=3&start=2", five, four, two)},
		{"/movies?start=2&limit=3", page("null", one)},
		{"/movies?start=3", page("null", two, one)}, // the deleted movie's id
		{"/movies?start=9223372036854775807", page("null", five, four, two, one)},
		{"/movies?start=1", page("null")},

		{"/movies?title=007", page("null", four)},
		{"/movies?title=+007%E3%80%80", page("null", four)},
		{"/movies?title=7", page("null")},
		{"/movies?title=the+dawn", page("null")},
		{"/movies?title=He+said+%22hi%22+%5C+%3Cb%3E%26", page("null", two)},
		{"/movies?title=a%E2%80%A8b%01%09e%CC%81%F0%9F%8E%AC", page("null", five)},
		{"/movies?title=Gone", page("null")},
		{"/movies?title=%25", page("null")},
		{"/movies?title=%00", page("null")},
		{"/movies?title=x'+OR+1=1+--+", page("null")},
		{"/movies?title=" + strings.Repeat("x", 5000), page("null")},
		{"/movies?year=2020", page("null", five, one)},
		{"/movies?year=2020&limit=1", page("/movies?limit=1&start=5&year=2020", five)},
		{"/movies?year=2020&title=The+dawn", page("null", one)},
		{"/movies?year=2019&title=The+dawn", page("null")},
		{"/movies?cast=Mark+Zei", page("null", five, one)},
		{"/movies?cast=Mark+Zei&cast=Chris+Ruf", page("null", one)},
		{"/movies?cast=Mark+Zei&cast=Mark+Zei&limit=1", page("/movies?cast=Mark+Zei&cast=Mark+Zei&limit=1&start=5", five)},
		{"/movies?cast=Politics", page("null")},
		{"/movies?genre=Politics&limit=1", page("/movies?genre=Politics&limit=1&start=4", four)},
		{"/movies?limit=1&start=4&genre=Politics", page("null", one)},
		{"/movies?genre=Politics&genre=Action", page("null", four)},
		{"/movies?genre=Politics&year=2020", page("null", one)},
		{"/movies?genre=Politics&cast=Mark+Zei&year=2020&title=The+dawn", page("null", one)},
		{"/movies?genre=politics", page("null")},
		{"/movies?genre=Drama&genre=Politics", page("null")},
		{"/movies?" + strings.Repeat("cast=Mark+Zei&", 10) + strings.Repeat("genre=Politics&", 10), page("null", one)},
	}
	eachCatalogue(t, func(t *testing.T, url string) {
		for _, r := range requests {
			got := ask(t, http.MethodGet, url+r.url)
			if diff := cmp.Diff(r.body, string(got.body)); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", r.url, got.status, diff)
			}
			checkHeader(t, r.url, got, "Content-Type", "application/json")
			checkHeader(t, r.url, got, "Cache-Control", "no-cache")
			checkFresh(t, r.url, got)
			checkAnswer(t, url, r.url, got)
		}
	})
}

// checkFresh checks the headers of an answer that carries an entity tag.
func checkFresh(t *testing.T, name string, got answer) {
	t.Helper()
	checkHeader(t, name, got, "Catalogue-Revision", "6") // five samples, and one deletion
	if !slices.Contains(got.header.Values("Vary"), "Accept-Encoding") {
		t.Errorf("%.200s: Vary is %q", name, got.header.Values("Vary"))
	}
	if tag := got.header.Get("ETag"); !regexp.MustCompile(`^W/"[-_0-9A-Za-z]{11}"$`).MatchString(tag) {
		t.Errorf("%.200s: ETag is %q", name, tag)
	}
	if !regexp.MustCompile(`^(cache|(index|db);dur=[0-9]+\.[0-9])$`).MatchString(got.timing) {
		t.Errorf("%.200s: Server-Timing is %q", name, got.timing)
	}
	link := ""
	if _, next, found := strings.Cut(string(got.body), `"next_url": "`); found {
		link = "<" + strings.TrimSuffix(next, "\"}\n") + `>; rel="next"`
	}
	checkHeader(t, name, got, "Link", link)
}

// TestWrongRequests: the problem document names the error in the request and reveals nothing
// internal.
func TestWrongRequests(t *testing.T) {
	const (
		none   = "there is nothing here"
		number = "ids are whole numbers from 1"
		noSuch = "no such movie"
	)
	requests := []struct {
		url, parameter, detail string
		status                 int
	}{
		{"/movies?limit=0", "limit", `limit is "0", expected an integer from 1 to 100`, 400},
		{"/movies?limit=%2B5", "limit", `limit is "+5", expected an integer from 1 to 100`, 400},
		{"/movies?limit=5&limit=5", "limit", "limit is given more than once, expected it once", 400},
		{"/movies?genres=Drama", "genres", "did you mean genre?", 400},
		{"/movies?page=2", "page", "known are cast, cast_any, cast_not, genre, genre_any, genre_not, id, limit, ", 400},
		{"/movies?year=10000", "year", `year is "10000", expected an integer from 1 to 9999`, 400},
		{"/movies?start=0", "start", `start is "0", expected an integer from 1`, 400},
		{"/movies?title=%E2%80%83", "title", "title is empty", 400},
		{"/movies?title=a;b", "title", "a bare ;, expected & between parameters", 400},
		{"/movies?title=%zz", "title", "broken percent escape", 400},
		{"/movies?title=%FF", "title", "not valid UTF-8", 400},
		{"/movies?title=\xff", "title", "not valid UTF-8", 400},
		{"/movies?%FF=%FF", "%FF", "not valid UTF-8", 400},
		{"/movies?=5", "=5", "has no name", 400},
		{"/movies?%22%0A%E2%80%A8%3Cb%3E=5", "\"\n\u2028<b>", "unknown parameter", 400},
		{"/movies?" + strings.Repeat("cast=x&", 11), "cast", "cast is given more than 10 times", 400},
		{"/movies?" + strings.Repeat("x", 8000), strings.Repeat("x", 8000), "unknown parameter", 400},

		{"/?limit=5", "limit", `unknown parameter "limit"; this request takes none`, 400},
		{"/?%FF", "%FF", "not valid UTF-8", 400},
		{"/movies/1?title=The+dawn", "title", `unknown parameter "title"; this request takes none`, 400},
		{"/movies/1?%", "%", "broken percent escape", 400},

		{"/movies/3", "", noSuch, 404}, // deleted
		{"/movies/6", "", noSuch, 404},
		{"/movies/9223372036854775807", "", noSuch, 404},
		{"/movies/0", "", number, 404},
		{"/movies/01", "", `"01"`, 404},
		{"/movies/-1", "", number, 404},
		{"/movies/+1", "", `"+1"`, 404},
		{"/movies/1.0", "", number, 404},
		{"/movies/1e0", "", number, 404},
		{"/movies/1%20", "", number, 404},
		{"/movies/9223372036854775808", "", number, 404},
		{"/movies/18446744073709551617", "", number, 404}, // 1, modulo 2^64
		{"/movies/abc", "", number, 404},
		{"/movies/%EF%BC%91", "", number, 404},
		{"/movies/%FF", "", number, 404},
		{"/movies/%22%3Cscript%3E%0A", "", number, 404},
		{"/movies/null", "", number, 404},

		{"/movies/", "", none, 404},
		{"/movies/1/", "", none, 404},
		{"/movies/1/cast", "", none, 404},
		{"/Movies", "", none, 404},
		{"/movie", "", none, 404},
		{"/favicon.ico", "", none, 404},
		{"/metrics", "", none, 404},
		{"/readyz", "", none, 404},
		{"/nothing?limit=5", "", none, 404},
		{"//", "", none, 404}, // the API does not clean paths: these are not aliases
		{"//movies", "", none, 404},
		{"/movies/.", "", none, 404},
		{"/movies/../movies", "", none, 404},
		{"/movies/%2E%2E/movies", "", none, 404},
	}
	eachCatalogue(t, func(t *testing.T, url string) {
		for _, r := range requests {
			got := ask(t, http.MethodGet, url+r.url)
			p := checkProblem(t, r.url, got, r.status)
			if !strings.Contains(p.Detail, r.detail) || p.Parameter != r.parameter {
				t.Errorf("%.200s: parameter %.200q, detail %.200q; want %.200q, %q", r.url, p.Parameter, p.Detail, r.parameter, r.detail)
			}
			if has := strings.Contains(string(got.body), `"parameter"`); has != (r.parameter != "") {
				t.Errorf("%.200s: it names a parameter: %t", r.url, has)
			}
			checkHeader(t, r.url, got, "Catalogue-Revision", "6")
			checkAnswer(t, url, r.url, got)
		}
	})
}

// TestMethods: every route refuses methods other than GET, HEAD and OPTIONS.
func TestMethods(t *testing.T) {
	url := serve(t, stock(t), slog.DiscardHandler)
	for _, path := range []string{"/", "/movies", "/movies?limit=1", "/movies/1", "/movies/2", "/changes", "/export", "/genres", "/years", "/people", "/suggest?q=a", "/status"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"} {
			name := method + " " + path
			got := ask(t, method, url+path)
			p := checkProblem(t, name, got, http.StatusMethodNotAllowed)
			checkHeader(t, name, got, "Allow", "GET, HEAD, OPTIONS")
			checkHeader(t, name, got, "Catalogue-Revision", "6")
			if p.Detail != method+" is not allowed, expected GET or HEAD" {
				t.Errorf("%s: detail %q", name, p.Detail)
			}
			checkSafe(t, name, got)
		}
	}
	for _, path := range []string{"/nothing", "//movies"} {
		got := ask(t, http.MethodPost, url+path)
		checkProblem(t, path, got, http.StatusNotFound)
		checkHeader(t, path, got, "Catalogue-Revision", "6")
		checkSafe(t, path, got)
	}
}

// TestPreflight: browsers may send conditional requests, resume a stream, authorize themselves
// to a proxy, and send tracing headers.
func TestPreflight(t *testing.T) {
	url := serve(t, stock(t), slog.DiscardHandler)
	for _, path := range []string{"/", "/movies?limit=1", "/movies/1", "/changes", "/export", "/genres", "/years", "/people", "/suggest?q=a", "/status"} {
		got := ask(t, http.MethodOptions, url+path)
		if got.status != http.StatusNoContent || len(got.body) > 0 {
			t.Errorf("%s: %d %q", path, got.status, got.body)
		}
		checkHeader(t, path, got, "Allow", "GET, HEAD, OPTIONS")
		checkHeader(t, path, got, "Catalogue-Revision", "6")
		checkHeader(t, path, got, "Access-Control-Allow-Origin", "*")
		checkHeader(t, path, got, "Access-Control-Allow-Methods", "GET, HEAD")
		allowed := strings.Split(strings.ToLower(got.header.Get("Access-Control-Allow-Headers")), ", ")
		for _, name := range []string{"*", "authorization", "if-none-match", "last-event-id", "traceparent", "tracestate", "baggage", "x-request-id", "cache-control", "pragma"} {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s: %s is not among the headers that scripts may set: %s", path, name, allowed)
			}
		}
	}
}

// TestRevision: every answer names the revision, also one without a body, and an error.
func TestRevision(t *testing.T) {
	s := stock(t)
	s.read = func(_ context.Context, method string) error {
		if method == "Export" || method == "History" {
			return errSecrets
		}
		return nil
	}
	a := start(t, s, slog.DiscardHandler)
	for _, r := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"GET", "/movies", nil, 200},
		{"GET", "/changes", nil, 200},
		{"GET", "/status", nil, 200},
		{"GET", "/openapi.json", nil, 200},
		{"OPTIONS", "/movies", nil, 204},
		{"OPTIONS", "/export", nil, 204},
		{"GET", "/", []string{"If-None-Match", "*"}, 304},
		{"GET", "/movies", []string{"If-None-Match", "*"}, 304},
		{"HEAD", "/movies/1", []string{"If-None-Match", "*"}, 304},
		{"GET", "/genres", []string{"If-None-Match", "*"}, 304},
		{"GET", "/movies?limit=0", nil, 400},
		{"GET", "/changes?since=x", nil, 400},
		{"GET", "/export?limit=1", nil, 400},
		{"GET", "/movies/3", nil, 404},
		{"GET", "/nothing", nil, 404},
		{"POST", "/movies", nil, 405},
		{"GET", "/changes?since=7", nil, 410},
		{"GET", "/changes?since=7", []string{"Accept", "text/event-stream"}, 410},
		{"GET", "/export", nil, 503},
		{"GET", "/movies/1/history", nil, 503},
	} {
		name := fmt.Sprint(r.method, " ", r.path, " ", r.headers)
		got := record(t, a, r.method, r.path, r.headers...)
		if got.status != r.status {
			t.Errorf("%s: status %d, want %d", name, got.status, r.status)
		}
		checkHeader(t, name, got, "Catalogue-Revision", "6")
	}
	off := start(t, withoutIndex{stock(t)}, slog.DiscardHandler)
	got := record(t, off, http.MethodGet, "/genres")
	checkProblem(t, "/genres", got, http.StatusNotImplemented)
	checkHeader(t, "/genres", got, "Catalogue-Revision", "6")
}

// document is a problem document. checkProblem fails on any other member.
type document struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Parameter string `json:"parameter"`
}

// checkProblem checks an error response and returns its problem document.
func checkProblem(t *testing.T, name string, got answer, status int) document {
	t.Helper()
	if got.status != status {
		t.Errorf("%.200s: status %d, want %d", name, got.status, status)
	}
	checkHeader(t, name, got, "Content-Type", "application/problem+json")
	checkHeader(t, name, got, "Cache-Control", "no-store")
	if strings.Contains(string(got.body), `\u0026`) || strings.Contains(string(got.body), `\u003c`) {
		t.Errorf("%.200s: & and < are escaped: %.200s", name, got.body)
	}
	var p document
	decoder := json.NewDecoder(strings.NewReader(string(got.body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		t.Errorf("%.200s: %v in %.200q", name, err, got.body)
	}
	if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Status != status || p.Detail == "" {
		t.Errorf("%.200s: %.400s", name, got.body)
	}
	return p
}

// checkAnswer checks the properties of every answer to a GET, and that HEAD returns the same
// without the body.
func checkAnswer(t *testing.T, url, path string, got answer) {
	t.Helper()
	checkSafe(t, path, got)
	head := ask(t, http.MethodHead, url+path)
	if diff := cmp.Diff(got.header, head.header); head.status != got.status || len(head.body) > 0 || diff != "" {
		t.Errorf("HEAD %.200s: %d, body %q, GET -, HEAD +: %s", path, head.status, head.body, diff)
	}
}

// checkSafe checks that an answer is well formed and reveals nothing internal.
func checkSafe(t *testing.T, name string, got answer) {
	t.Helper()
	if !jsontext.Value(got.body).IsValid() || !strings.HasSuffix(string(got.body), "}\n") {
		t.Errorf("%.200s: not one line of JSON: %.400q", name, got.body)
	}
	checkHeader(t, name, got, "Content-Length", strconv.Itoa(len(got.body)))
	checkHeader(t, name, got, "X-Content-Type-Options", "nosniff")
	checkHeader(t, name, got, "Access-Control-Allow-Origin", "*")
	checkHeader(t, name, got, "Access-Control-Expose-Headers", "Catalogue-Revision, ETag, Link, Total-Count, Age, Retry-After, X-Request-Id")
	for _, inside := range []string{
		"strconv", "Parse", "invalid URL", "sql", "SQL", "SELECT", "movie_cast", "fields", ".go:", "goroutine", "json:", "runtime", "%!", "127.0.0.1",
	} {
		if strings.Contains(string(got.body), inside) {
			t.Errorf("%.200s: %.400q shows %q", name, got.body, inside)
		}
	}
}

func checkHeader(t *testing.T, name string, got answer, header, want string) {
	t.Helper()
	if value := strings.Join(got.header.Values(header), " | "); value != want {
		t.Errorf("%.200s: %s is %q, want %q", name, header, value, want)
	}
}
