package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/movie"
)

// linked serves movies of an actor below a base path.
func linked(t *testing.T, base, actor string) *api.API {
	s := &shelf{t: t}
	for id := range int64(40) {
		s.put(id+1, &movie.Movie{Identity: movie.Identity{Title: "Film", Year: 1900 + int(id)}, Cast: []string{actor}, Genres: []string{"Drama"}})
	}
	a, _ := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20, BasePath: base})
	return a
}

// TestBasePath: every link in an answer begins with the base path. Request paths do not, because
// the proxy strips it.
func TestBasePath(t *testing.T) {
	a := linked(t, "/films", "A")
	for path, links := range map[string][]string{
		"/":                  {`"movies_url": "/films/movies"`},
		"/movies?limit=1":    {`"self_url": "/films/movies/40"`, `"next_url": "/films/movies?limit=1&start=40"`},
		"/movies/7":          {`"self_url": "/films/movies/7"`},
		"/changes?limit=1":   {`"self_url": "/films/movies/1"`, `"next_url": "/films/changes?limit=1&since=1"`},
		"/export?year=1900":  {`"self_url": "/films/movies/1"`},
		"/genres":            {`"movies_url": "/films/movies?genre=Drama"`},
		"/years":             {`"movies_url": "/films/movies?year=1900"`},
		"/openapi.json":      {`"url": "/films"`},
		"/nothing":           {`/films/openapi.json`},
		"/movies/1/history":  {`"next_url": null`},
		"/movies/40/history": {`"next_url": null`},
	} {
		got := record(t, a, http.MethodGet, path)
		for _, want := range links {
			if !strings.Contains(string(got.body), want) {
				t.Errorf("%s has no %s: %.500s", path, want, got.body)
			}
		}
		if strings.Contains(string(got.body), `_url": "/movies`) || strings.Contains(string(got.body), `_url": "/changes`) {
			t.Errorf("%s has a link without the base: %.500s", path, got.body)
		}
		if link := got.header.Get("Link"); strings.Contains(string(got.body), `"next_url": "/`) != strings.HasPrefix(link, "</films/") {
			t.Errorf("%s: Link is %q", path, link)
		}
	}
	stream := record(t, ended{a}, http.MethodGet, "/changes?since=39", "Accept", "text/event-stream")
	if !strings.Contains(string(stream.body), `"self_url": "/films/movies/40"`) {
		t.Errorf("the stream says %s", stream.body)
	}
}

// ended is an API that ends streams after their first event.
type ended struct{ *api.API }

func (e ended) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { _ = recover() }()
	e.API.ServeHTTP(once{w}, r)
}

// once is a client that leaves after its first events.
type once struct{ http.ResponseWriter }

func (o once) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o once) Write(b []byte) (int, error) {
	n, err := o.ResponseWriter.Write(b)
	if err == nil && strings.Contains(string(b), "data:") {
		err = http.ErrHandlerTimeout
	}
	return n, err
}

// TestLongLinks: the API omits the header Link where it would be too long for proxies. A client
// that sends plain UTF-8 gets a next_url as long as its request, not three times as long.
func TestLongLinks(t *testing.T) {
	long := strings.Repeat("é", 250)
	for name, test := range map[string]struct {
		actor  string
		plain  bool // the client does not escape the query
		header bool
	}{
		"short":           {"Zoë", false, true},
		"short and plain": {"Zoë", true, true},
		"long":            {long, false, true},
		"long and plain":  {long, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := linked(t, "", test.actor)
			query := "cast=" + url.QueryEscape(test.actor)
			if test.plain {
				query = "cast=" + test.actor
			}
			seen := 0
			for next := "/movies?limit=25&" + query; next != ""; {
				got := record(t, a, http.MethodGet, next)
				var page struct {
					Movies []shown
					Next   *string `json:"next_url"`
				}
				if err := json.Unmarshal(got.body, &page); err != nil {
					t.Fatal(err)
				}
				seen += len(page.Movies)
				if next = ""; page.Next != nil {
					next = *page.Next
					if _, asGiven := strings.CutSuffix(next, "&limit=25&start=16"); !asGiven || !strings.Contains(next, query) {
						t.Errorf("next_url is %s", next)
					}
					if (got.header.Get("Link") != "") != test.header {
						t.Errorf("Link is %q", got.header.Get("Link"))
					}
				}
			}
			if seen != 40 {
				t.Errorf("%d movies on all pages", seen)
			}
		})
	}
	many := "/movies?limit=1" + strings.Repeat("&genre=Drama&cast="+url.QueryEscape(long), 2) + "&title=Film"
	got := record(t, linked(t, "", long), http.MethodGet, many)
	if link := got.header.Get("Link"); link == "" || len(link) > 4<<10 || !strings.Contains(string(got.body), "&start=40") {
		t.Errorf("a header Link of %d bytes: %.300s", len(link), got.body)
	}
	three := "/movies?limit=1" + strings.Repeat("&cast="+url.QueryEscape(long), 3)
	if link := record(t, linked(t, "", long), http.MethodGet, three).header.Get("Link"); link != "" {
		t.Errorf("a header Link of %d bytes", len(link))
	}
	// The next URL is as long as the longest that is repeated, or longer by a byte.
	const longest = 3 << 10
	fixed := len("/movies?" + "cast=" + "&limit=1&start=40")
	for _, size := range []int{longest, longest + 1} {
		actor := strings.Repeat("é", (size-fixed)/6) + strings.Repeat("x", (size-fixed)%6)
		got := record(t, linked(t, "", actor), http.MethodGet, "/movies?limit=1&cast="+url.QueryEscape(actor))
		next := "/movies?cast=" + url.QueryEscape(actor) + "&limit=1&start=40"
		want := "<" + next + `>; rel="next"`
		if size > longest {
			want = ""
		}
		checkHeader(t, fmt.Sprintf("%d bytes", size), got, "Link", want)
		if !strings.Contains(string(got.body), `"next_url": "`+next+`"`) || len(next) != size {
			t.Errorf("next_url of %d bytes, want %d: %.300s", len(next), size, got.body)
		}
	}
}
