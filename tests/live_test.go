package tests

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"jpmovies/internal/movie"
)

const live = `document.getElementById("badge").dataset.state === "live"`

// another opens another tab of the same browser.
func (b *tab) another() *tab {
	b.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.Cleanup(cancel)
	other := &tab{T: b.T, ctx: ctx}
	if err := chromedp.Listen(ctx, other.hear); err != nil {
		b.Fatal(err)
	}
	return other
}

// TestManyTabs: a browser opens at most six connections to a server. Eight tabs share one
// stream, and each shows new movies. They still do after the tab that held the stream is
// closed.
func TestManyTabs(t *testing.T) {
	t.Parallel()
	first := newTab(t, desktop)
	defer first.quiet()
	s, _ := browsed(t)
	p := s.start(t, "api")
	api := p.apiOf(t)
	tabs := []*tab{first}
	for range 7 {
		other := first.another()
		defer other.quiet()
		tabs = append(tabs, other)
	}
	for _, b := range tabs {
		b.open(api + "/")
		b.wait(cards + ` === 25 && ` + idle)
	}
	for i, b := range tabs {
		if hidden := evaluate[bool](b, "document.hidden"); !hidden {
			b.wait(live)
			t.Logf("tab %d is in view", i)
		}
	}
	s.put(t, "new.json", []byte(`{"title": "Shown in all tabs", "year": 2026}`))
	for i, b := range tabs {
		if evaluate[bool](b, "document.hidden") {
			t.Logf("tab %d is hidden", i)
			continue
		}
		b.wait(`document.querySelector("#list h3").textContent.startsWith("Shown in all tabs")`)
	}
	admin := p.adminOf(t, "API starts")
	waitFor(t, "that one stream is all that runs beside eight tabs", func() bool { return metric(t, admin, "movies_api_requests_running") == "1" })
	first.open("about:blank")
	s.put(t, "newer.json", []byte(`{"title": "Shown by the next tab", "year": 2026}`))
	for _, b := range tabs[1:] {
		if !evaluate[bool](b, "document.hidden") {
			b.wait(`document.querySelector("#list h3").textContent.startsWith("Shown by the next tab")`)
		}
	}
}

// between serves an API. before may answer a request in its place, and reports whether it did.
func between(t *testing.T, api string, before func(http.ResponseWriter, *http.Request) bool) *httptest.Server {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !before(w, r) {
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		front.CloseClientConnections() // the page's stream
		front.Close()
	})
	return front
}

// TestBrowseThroughRoll: a balancer answers 502 for a while, as during a rolling update of the
// API. The page resumes from the revision that it has shown, so it misses no change.
func TestBrowseThroughRoll(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	var rolling atomic.Bool
	front := between(t, api, func(w http.ResponseWriter, _ *http.Request) bool {
		away := rolling.Load()
		if away {
			w.WriteHeader(http.StatusBadGateway)
		}
		return away
	})
	b.faulty = true
	b.open(front.URL + "/")
	b.wait(live + ` && ` + idle)
	rolling.Store(true)
	front.CloseClientConnections()
	b.wait(`document.getElementById("badge").dataset.state !== "live"`)
	before := s.revision(t)
	newest, _, err := s.db.Movies(t.Context(), movie.Filter{}, 0, 1)
	if err != nil || len(newest) != 1 {
		t.Fatalf("%v, %v", newest, err)
	}
	first, err := movie.ParseFields(newest[0].Fields) // which movie is first depends on two concurrent commits
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "change.json", fmt.Appendf(nil, `{"title": %q, "year": %d, "genres": ["Changed"]}`, first.Title, first.Year))
	waitFor(t, "the change", func() bool { return s.revision(t) > before })
	rolling.Store(false)
	b.wait(live)
	b.wait(`document.querySelector("#list .card").textContent.includes("Changed")`)
}

func (s *site) revision(t *testing.T) int64 {
	t.Helper()
	revision, err := s.db.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// TestBrowseBelowAPath: the page works behind a proxy that serves it below a path, also if the
// API does not know the path.
func TestBrowseBelowAPath(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"MOVIES_API_BASE_PATH=/films", "MOVIES_API_BASE_PATH="} {
		t.Run(setting, func(t *testing.T) {
			b := newTab(t, desktop)
			defer b.quiet()
			s, _ := browsed(t)
			s.env = append(s.env, setting)
			address, _ := nginx(t, "/films/", strings.TrimPrefix(s.serve(t), "http://"))
			b.open("http://" + address + "/films/")
			b.wait(live + ` && ` + idle + ` && ` + countText + ` === "900 movies"`)
			b.script(`document.getElementById("more").scrollIntoView()`)
			b.wait(cards + ` >= 50`)
			b.click("#genre a")
			b.wait(`location.pathname === "/films/" && location.search === "?genre=Action" && ` + countText + ` === "300 of 900 movies"`)
			b.click("#list h3 a")
			b.wait(`location.pathname === "/films/" && document.querySelector("#page h2") !== null`)
			b.is(`new URL(document.querySelector("#page a[href^=movies]").href).pathname.startsWith("/films/movies/")`, true)
			b.do(chromedp.SendKeys("#q", "ann 7"))
			b.wait(entries + `.startsWith("Ann 7 ")`)
			b.click("#options li")
			b.wait(`location.pathname === "/films/" && location.search === "?person=Ann+7"`)
			b.open("http://" + address + "/films/?genre=Drama")
			b.wait(countText + ` === "300 of 900 movies"`)
		})
	}
}

// TestBrowseManyNew: more new movies than a page leave no gap in the list, and a new movie
// comes to its place behind the first page.
func TestBrowseManyNew(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
	var many strings.Builder
	for i := range 60 {
		fmt.Fprintf(&many, `{"title": "New %d", "year": 2020}`+"\n", i)
	}
	s.put(t, "many.ndjson", []byte(many.String()))
	b.wait(countText + ` === "960 movies"`)
	b.wait(consistent + `([])`)
	b.open(api + "/?sort=title")
	for n := 50; n <= 75; n += 25 {
		b.wait(fmt.Sprintf("%s && %s >= %d", idle, cards, n-25))
		b.script(`scrollTo(0, document.body.scrollHeight)`)
		b.wait(fmt.Sprintf("%s >= %d", cards, n))
	}
	b.wait(live)
	const card = `document.querySelectorAll("#list .card")[40].querySelector("a")`
	b.script(`window.focused = ` + card + `.textContent; ` + card + `.focus()`)
	s.put(t, "one.json", fmt.Appendf(nil, `{"title": "%s Again", "year": 2020}`, evaluate[string](b, `focused`)))
	b.wait(countText + ` === "961 movies"`)
	b.wait(consistent + `([])`)
	b.is(`document.activeElement.textContent === focused`, true)
	b.open(api + "/?person=Ann+1")
	b.wait(live)
	before := evaluate[int](b, `document.querySelectorAll(".films li").length`)
	s.put(t, "anns.ndjson", []byte(strings.ReplaceAll(many.String(), "2020", `2021, "cast": ["Ann 1"]`)))
	b.wait(fmt.Sprintf(`document.querySelectorAll(".films li").length === %d`, before+60))
	asked := evaluate[int](b, `performance.getEntriesByType("resource").filter((r) => r.name.includes("/people?")).length`)
	// The page asks once for the first view, and once for each second in which changes come: for
	// some seconds on a slow machine, but not for each of the 60 movies.
	if asked > 30 {
		t.Errorf("the page of a person was loaded %d times", asked)
	}
}
