package tests

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/report"
	"jpmovies/internal/worker"
)

// JavaScript expressions of the operators' page.
const (
	badge   = `document.getElementById("ready").dataset.state`
	traced  = `document.getElementById("trace").innerText`
	origins = `document.getElementById("origins").innerText`
	reasons = `document.getElementById("reasons").innerText`
)

// health returns an expression: whether the page shows the part with this state and these
// words.
func health(part, state, words string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#health li")].some(l => l.querySelector("b").textContent === %q && l.dataset.state === %q && l.innerText.includes(%q))`,
		part, state, words)
}

// tile returns an expression for the text of a figure on the page.
func tile(name string) string {
	return fmt.Sprintf(`([...document.querySelectorAll("#tiles div")].find(d => d.firstChild.textContent === %q)?.innerText ?? "")`, name)
}

// full saves a screenshot of the whole page.
func (b *tab) full(l look, name string) {
	b.Helper()
	height := evaluate[int64](b, "document.documentElement.scrollHeight")
	b.do(chromedp.EmulateViewport(l.width, height))
	b.shot(name)
	b.do(chromedp.EmulateViewport(l.width, l.height))
}

// fits expects that the page is no wider than the window.
func (b *tab) fits() {
	b.Helper()
	b.is(`document.documentElement.scrollWidth <= innerWidth`, true)
}

// operated returns a site with movies, one of them superseded and one deleted, and with
// rejections of five kinds.
func operated(t *testing.T) *site {
	t.Helper()
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	var films strings.Builder
	for i := range 300 {
		fmt.Fprintf(&films, `{"title": "Film %d", "year": %d, "cast": ["Ann %d"], "genres": ["Drama"]}`+"\n", i, 1950+i%70, i%40)
	}
	s.put(t, "films.ndjson", []byte(films.String()))
	s.put(t, "old.json", []byte(`{"title": "Twice told", "year": 2000, "cast": ["Old"], "genres": ["Old"]}`))
	s.put(t, "gone.json", []byte(`{"title": "Gone", "year": 1999}`))
	s.drain(t)
	time.Sleep(5 * time.Millisecond) // so that the next objects are newer
	s.put(t, "new 'and' <b>.json", []byte(`{"title": "Twice told", "year": 2000, "cast": ["New"], "genres": ["New"]}`))
	s.put(t, "deletes.json", []byte(`{"title": "Gone", "year": 1999, "deleted": true}`))
	s.put(t, "mixed.ndjson", []byte(`{"title": "Good", "year": 2001}`+"\n"+`{"title": "Quoted", "year": "2015"}`+"\n"+`{"name": "Unnamed", "year": 2001}`))
	for i := range 7 {
		s.put(t, fmt.Sprintf("bad-%d.json", i), []byte(`{"title": "No year"}`))
	}
	s.put(t, "cut.json", []byte(`{"title": "Cut off", "ye`))
	s.put(t, "packed.zip", []byte("PK\x03\x04 and more"))
	s.drain(t)
	return s
}

// find traces an object on the page.
func (b *tab) find(key string) {
	b.Helper()
	b.script(fmt.Sprintf(`document.querySelector("#object [name=key]").value = %q`, key))
	b.click("#object button")
}

// TestOperationsOfWorker: the worker's page shows health, figures, charts, passes, and every
// possible outcome of an object.
func TestOperationsOfWorker(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	half := worker.Shard{Index: 0, Count: 2}
	s.env = append(s.env, "MOVIES_WORKER_SHARD="+half.String())
	admin := s.start(t, "worker").adminOf(t, "worker starts")
	mine, other := "", ""
	for i := 0; mine == "" || other == ""; i++ {
		if key := fmt.Sprintf("later-%d.json", i); half.Owns(key) {
			mine = key
		} else {
			other = key // stays in the bucket, since its worker does not run
		}
	}
	b.open(admin + "/")
	b.wait(badge + ` === "ok" && ` + health("database", "ok", "ok") + ` && ` + health("pass", "ok", "ok") + ` && ` + health("backlog", "ok", "no objects waiting"))
	s.put(t, mine, []byte(`{"title": "Later", "year": 2020}`))
	s.put(t, other, []byte(`{"title": "Never", "year": 2020}`))
	b.wait(tile("Updates now") + `.includes("1 since start,\nof 1 object")`)
	b.wait(`document.querySelectorAll(".charts svg").length === 3 && document.querySelectorAll("#passes tbody tr").length > 1`)
	b.is(`document.querySelectorAll(".charts svg text").length`, 15) // three figures and two times of each
	b.is(`document.querySelector("#workers td").textContent`, "0/2")
	b.is(tile("Movies")+`.includes("303")`, true)
	b.wait(`document.querySelectorAll("#reasons details").length === 5`)
	b.is(`document.querySelector("#reasons summary").innerText.replace(/\s+/g, " ")`, "7 year: found nothing, expected an integer from 1 to 9999")
	b.shot("1 worker")
	b.accessible("worker")

	for key, want := range map[string][]string{
		"films.ndjson": {"applied", "at revision", "movie 1"},
		"old.json":     {"superseded", "superseded by new 'and' <b>.json"},
		"mixed.ndjson": {"applied", "rejected", `write 2015 without quotes`, "jpmovies rejections requeue"},
		"packed.zip":   {"rejected", "a zip file"},
		other:          {"waiting", "32 bytes"},
		mine:           {"applied"},
		"none.json":    {"unknown", "MOVIES_CHANGE_DAYS"},
	} {
		b.find(key)
		b.wait(`document.querySelector("#trace .state")?.textContent === "` + want[0] + `" && location.search.includes("key=")`)
		for _, words := range want {
			b.is(fmt.Sprintf(`%s.replace(/\s+/g, " ").includes(%q)`, traced, words), true)
		}
	}
	b.find("old.json")
	b.wait(`document.querySelector("#trace .state")?.textContent === "superseded"`)
	b.full(desktop, "2 superseded")
	b.accessible("object")

	b.click(`#trace a[href*="title="]`) // opens its movie
	b.wait(`document.activeElement.id === "h-movie" && ` + origins + `.includes("Twice told (2000)")`)
	b.is(`[...document.querySelectorAll("#origins td a")].every(a => a.textContent === "new 'and' <b>.json")`, true)
	b.do(chromedp.NavigateBack())
	b.wait(traced + `.includes("superseded by")`)
	b.script(`document.querySelector("#movie [name=title]").value = "Gone"; document.querySelector("#movie [name=year]").value = "1999"`)
	b.click("#movie button")
	b.wait(origins + `.includes("deletes.json") && document.querySelector("#origins .deleted") !== null`)
	b.shot("3 deleted movie")
	b.accessible("movie")
	b.open(admin + "/?title=Film+7&year=1957") // as a shared link
	b.wait(origins + `.includes("films.ndjson")`)

	b.do(chromedp.SendKeys("#search", "NO YEAR"))
	b.wait(`document.getElementById("matched").textContent === "0 of 11 rejections match."`)
	b.script(`document.querySelector("#search").value = ""`)
	b.do(chromedp.SendKeys("#search", "bad-"))
	b.wait(`document.getElementById("matched").textContent === "7 of 11 rejections match." && document.querySelectorAll("#reasons details").length === 1`)
	b.click("#reasons summary")
	b.wait(`document.querySelectorAll("#reasons li").length === 5`)
	b.is(reasons+`.includes("jpmovies rejections show ")`, true)
	b.is(`getComputedStyle(document.querySelector("#reasons .command")).userSelect`, "all") // one click selects the line
	b.full(desktop, "4 rejections")
	b.accessible("rejections")
	b.quiet()
}

// TestOperationsOfAPI: the API's page shows its index and cache, the workers' reports, and
// links to the runbook.
func TestOperationsOfAPI(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	p := s.start(t, "api")
	p.apiOf(t)
	admin := p.adminOf(t, "API starts")
	b.open(admin + "/")
	b.wait(badge + ` === "ok" && ` + health("index", "ok", "ok") + ` && ` + health("workers", "ok", "last pass"))
	b.wait(tile("Movies in the index") + `.includes("302\nloaded in")`)
	b.wait(tile("Answers confirmed") + `.includes("revision 305")`)
	b.is(`document.getElementById("passes").parentNode.hidden`, true)
	late := time.Now().Add(-20 * time.Minute)
	for _, shard := range []string{"0/2", "1/2"} {
		if err := s.db.Report(t.Context(), report.Worker{Shard: shard, LastPass: time.Now(), ObjectsWaiting: 60, OldestWaiting: &late}); err != nil {
			t.Fatal(err)
		}
	}
	b.wait(health("backlog", "degraded", "120 objects waiting, the oldest for 20 min"))
	b.wait(tile("Objects waiting") + `.includes("120\noldest for 20 min")`)
	b.wait(`document.querySelectorAll("#workers tbody tr").length === 2 && document.querySelectorAll(".charts svg").length === 3`)
	b.full(desktop, "1 API, late")
	b.accessible("API, late")
	b.is(health("backlog", "degraded", "What to do: MoviesBacklogLate in docs/runbook.md."), true)
	b.find("gone.json")
	b.wait(traced + `.includes("jpmovies trace 'gone.json'")`) // the API has no bucket
	b.find("new 'and' <b>.json")
	b.wait(traced + `.includes("jpmovies trace 'new '\\''and'\\'' <b>.json'")`)
	b.quiet()
}

// TestAdminPortsOnlyRead: the admin ports of worker and API have the same routes, forbid
// caching, and change nothing.
func TestAdminPortsOnlyRead(t *testing.T) {
	s := operated(t)
	before := s.revision(t)
	s.put(t, "late.json", []byte(`{"title": "No year"}`))
	api := s.start(t, "api")
	api.apiOf(t)
	for _, admin := range []string{s.start(t, "worker").adminOf(t, "worker starts"), api.adminOf(t, "API starts")} {
		for path, wrong := range map[string]string{
			"/overview": "/overview?x=1", "/rejections": "/rejections?limit=0", "/rejections/reasons": "/rejections/reasons?limit=1",
			"/objects?key=old.json": "/objects", "/movie?id=1": "/movie?id=none", "/": "",
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
				request, err := http.NewRequestWithContext(t.Context(), method, admin+path, strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				want := http.StatusOK
				if method != http.MethodGet && method != http.MethodHead {
					want = http.StatusMethodNotAllowed
				}
				if response.StatusCode != want || want != http.StatusOK && response.Header.Get("Allow") != "GET, HEAD" {
					t.Errorf("%s %s: %s, Allow %q, want %d", method, path, response.Status, response.Header.Get("Allow"), want)
				}
				if kept := response.Header.Get("Cache-Control"); want == http.StatusOK && kept != "no-store" && (path != "/" || kept != "no-cache") {
					t.Errorf("%s %s: Cache-Control %q", method, path, kept)
				}
			}
			if wrong != "" && status(admin+wrong) != http.StatusBadRequest {
				t.Errorf("%s: %d, want 400", wrong, status(admin+wrong))
			}
		}
	}
	if now := s.revision(t); now != before {
		t.Errorf("revision %d, was %d", now, before)
	}
}

// TestRunbook: the runbook has each heading that the page links to.
func TestRunbook(t *testing.T) {
	page, err := os.ReadFile("../internal/web/static/admin.js")
	if err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile("../internal/web/static/admin.html")
	if err != nil {
		t.Fatal(err)
	}
	book, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(page, []byte("const runbook = {"))
	headings, _, _ := bytes.Cut(rest, []byte("}"))
	found := append(regexp.MustCompile(`\w+: "([^"]*)"`).FindAllSubmatch(headings, -1), regexp.MustCompile(`What to do: (\w+) in`).FindAllSubmatch(html, -1)...)
	if len(found) != 8 {
		t.Fatalf("%d headings", len(found))
	}
	for _, f := range found {
		if !regexp.MustCompile(`(?m)^#{2,3} ` + regexp.QuoteMeta(string(f[1])) + `$`).Match(book) {
			t.Errorf("the runbook has no section %q", f[1])
		}
	}
}

// TestOperationsWithoutDatabase stops the database and starts it again: both pages report the
// cause, link to the runbook, and recover by themselves.
func TestOperationsWithoutDatabase(t *testing.T) {
	t.Parallel()
	o := server(t)
	s := newSite(t, o, newFolder(t))
	s.put(t, "film.json", []byte(`{"title": "Film", "year": 2000}`))
	s.drain(t)
	front := newProxy(t, net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	host, port, _ := net.SplitHostPort(front.Addr().String())
	s.env = append(s.env, "MOVIES_DB_HOST="+host, "MOVIES_DB_PORT="+port)
	api := s.start(t, "api")
	api.apiOf(t)
	for name, test := range map[string]struct{ admin, state string }{
		"API":    {api.adminOf(t, "API starts"), "degraded"},
		"worker": {s.start(t, "worker").adminOf(t, "worker starts"), "failing"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, desktop)
			b.open(test.admin + "/")
			b.wait(badge + ` === "ok" && ` + tile("Movies") + `.includes("1")`)
			front.set(fault{after: 1, reset: true})
			front.drop()
			b.wait(badge + fmt.Sprintf(` === %q && `, test.state) + health("database", test.state, "MoviesDatabaseAway") + ` && ` + tile("Database") + `.includes("no answer")`)
			b.find("film.json")
			b.wait(`document.querySelector("#trace [role=alert]")?.textContent.startsWith("the database cannot be read")`)
			b.full(desktop, "away")
			b.accessible("away")
			front.set(fault{})
			b.wait(badge + ` === "ok" && ` + tile("Movies") + `.includes("1")`)
			b.find("film.json")
			b.wait(`document.querySelector("#trace .state")?.textContent === "applied"`)
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.complaints {
				if !strings.HasPrefix(c, "network ") {
					t.Errorf("the browser complains: %s", c)
				}
			}
		})
	}
}

// TestOperationsWithoutProcess: after its process has ended, a page shows since when its data is old.
func TestOperationsWithoutProcess(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	p := s.start(t, "worker")
	b.open(p.adminOf(t, "worker starts") + "/")
	b.wait(badge + ` === "ok"`)
	p.stop(t)
	b.wait(badge + ` === "failing" && document.getElementById("ready").innerText.includes("no answer since ")`)
	b.accessible("no answer")
}

// TestOperationsByKeyboard uses no pointer.
func TestOperationsByKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	b.open(s.start(t, "worker").adminOf(t, "worker starts") + "/")
	b.wait(badge + ` === "ok" && document.querySelectorAll("#reasons details").length === 5`)
	reach := func(what string) {
		t.Helper()
		for range 60 {
			if evaluate[bool](b, "document.activeElement.matches('"+what+"')") {
				return
			}
			b.press(kb.Tab)
		}
		t.Fatalf("%s is not reached, but %s", what, evaluate[string](b, "document.activeElement.outerHTML"))
	}
	reach("#object input")
	b.do(chromedp.KeyEvent("old.json"))
	b.press(kb.Enter)
	b.wait(`document.querySelector("#trace .state")?.textContent === "superseded"`)
	reach("#trace li a")
	b.press(kb.Enter)
	b.wait(`document.activeElement.id === "h-movie" && ` + origins + `.includes("Twice told")`)
	reach("#reasons summary")
	b.press(kb.Enter)
	b.wait(`document.querySelector("#reasons details").open`)
	reach("#reasons li a")
	b.shot("focus")
	b.quiet()
}

// TestOperationsLooks captures the page on a phone, on a tablet, and in dark mode.
func TestOperationsLooks(t *testing.T) {
	t.Parallel()
	s := operated(t)
	s.put(t, strings.Repeat("a-long-name-", 16)+".json", []byte(`{"title": "No year"}`))
	admin := s.start(t, "worker").adminOf(t, "worker starts")
	for name, l := range map[string]look{
		"phone": phone, "tablet": {768, 1024, "light"}, "desktop": {1360, 900, "light"}, "dark": dark, "dark phone": {390, 844, "dark"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			b.open(admin + "/?key=old.json")
			b.wait(badge + ` === "ok" && document.querySelectorAll("#reasons details").length === 5 && ` + traced + `.includes("superseded by")`)
			b.script(`document.querySelectorAll("#reasons details")[1].open = true`)
			b.find("mixed.ndjson")
			b.wait(traced + `.includes("without quotes")`)
			b.fits()
			b.full(l, "page")
			b.accessible(name)
			b.quiet()
		})
	}
}

// TestEmptyOperations: the page of a worker that has not found an object yet.
func TestEmptyOperations(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	b.open(s.start(t, "worker").adminOf(t, "worker starts") + "/")
	b.wait(badge + ` === "ok" && document.getElementById("matched").textContent.startsWith("Nothing was rejected.")`)
	b.is(tile("Last commit")+`.includes("never")`, true)
	b.full(desktop, "empty")
	b.accessible("empty")
	b.quiet()
}

// TestKeptFiles: a second visit fetches no file again. During a rollout, a page names the
// folder of another release and still works.
func TestKeptFiles(t *testing.T) {
	t.Parallel()
	s := operated(t)
	api := s.serve(t)
	b := newTab(t, desktop)
	const fetched = `performance.getEntriesByType("resource").filter(r => new URL(r.name).pathname.startsWith("/web/"))`
	const routes = `document.querySelectorAll("#routes details.route").length > 10`
	b.open(api + "/docs")
	b.wait(routes)
	b.is(fetched+`.length >= 4 && `+fetched+`.every(r => r.transferSize > 0 && /^\/web\/[0-9a-f]{12}\/[a-z]+\.(js|css|svg)$/.test(new URL(r.name).pathname))`, true)
	b.open(api + "/?q=1")
	b.open(api + "/docs")
	b.wait(routes)
	b.is(fetched+`.filter(r => r.transferSize > 0).length`, 0)

	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	folder := regexp.MustCompile(`/web/[0-9a-f]{12}/`)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/docs" { // as from a process of another release
			page := folder.ReplaceAll(get(t, api+"/docs"), []byte("/web/0123456789ab/"))
			page = regexp.MustCompile(`"web/[0-9a-f]{12}/`).ReplaceAll(page, []byte(`"web/0123456789ab/`))
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page)
			return
		}
		through.ServeHTTP(w, r)
	}))
	defer front.Close()
	b.open(front.URL + "/docs")
	b.wait(routes)
	b.is(fetched+`.every(r => new URL(r.name).pathname.startsWith("/web/0123456789ab/"))`, true)
	b.quiet()
}
