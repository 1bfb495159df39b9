package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"jpmovies/internal/database/databasetest"
)

// axeVariable names the file axe.min.js, which checks accessibility.
const axeVariable = "MOVIES_TEST_AXE"

// look is how a page is shown.
type look struct {
	width, height int64
	scheme        string // light or dark
}

var (
	desktop = look{1280, 900, "light"}
	phone   = look{390, 844, "light"}
	dark    = look{1280, 900, "dark"}
)

// tab is a page in a browser.
type tab struct {
	*testing.T
	ctx context.Context
	mu  sync.Mutex
	// complaints of the browser's console: errors of scripts, violations of the
	// content security policy, answers that could not be had.
	complaints []string
}

// newTab opens a tab of Chromium; where there is none the test is skipped.
func newTab(t *testing.T, l look) *tab {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no Chromium, so the page is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium),
		chromedp.Flag("no-sandbox", true), // tests may run as root
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("proxy-server", "direct://"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(l.width, l.height), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	}))
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		if e.Entry.Level != "verbose" && e.Entry.Level != "info" {
			b.complaints = append(b.complaints, fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// quiet expects that the browser had nothing to complain about.
func (b *tab) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.Errorf("the browser complains: %s", c)
	}
}

// do runs steps, for half a minute at most.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	run(b, chromedp.Steps(steps...))
}

func run[T any](b *tab, action chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

func evaluate[T any](b *tab, expression string) T {
	b.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// script runs statements in the page.
func (b *tab) script(statements string) { b.Helper(); evaluate[bool](b, statements+"; true") }

// open opens an address of the page.
func (b *tab) open(url string) { b.Helper(); b.do(chromedp.Navigate(url)) }

func (b *tab) click(selector string) {
	b.Helper()
	b.do(chromedp.ScrollIntoView(selector), chromedp.Click(selector))
}

// press presses keys as a keyboard does: what a key types comes with its being
// pressed. In an event of its own it may reach a dialog that has opened since.
func (b *tab) press(keys ...string) {
	b.Helper()
	for _, k := range keys {
		down := *kb.Encode([]rune(k)[0])[0]
		up := down
		up.Type = kb.KeyUp
		if k == kb.Enter {
			down.Text, down.UnmodifiedText = k, k
		}
		run(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err1 := cdp.Call(ctx, target, input.DispatchKeyEvent, down)
			_, err2 := cdp.Call(ctx, target, input.DispatchKeyEvent, up)
			return errors.Join(err1, err2)
		}))
	}
}

// wait waits until an expression of the page is true.
func (b *tab) wait(expression string) {
	b.Helper()
	var last any
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = evaluate[any](b, expression); last == true {
			return
		}
	}
	b.shot("failed")
	b.Fatalf("waited for %s, which is %v; the page says\n%.2000s", expression, last, evaluate[string](b, "document.body.innerText"))
}

func (b *tab) is(expression string, want any) {
	b.Helper()
	if got := evaluate[any](b, expression); fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("%s is %v, want %v", expression, got, want)
	}
}

// shot keeps a picture of what is in view, for eyes: go test -artifacts.
func (b *tab) shot(name string) {
	b.Helper()
	png := run(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(b.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		b.Fatal(err)
	}
}

// accessible expects that axe finds nothing serious.
func (b *tab) accessible(state string) {
	b.Helper()
	path := os.Getenv(axeVariable)
	if path == "" {
		b.Logf("%s is not set, so axe does not look at %s", axeVariable, state)
		return
	}
	script, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	b.script(string(script))
	found := evaluate[[]string](b, `axe.run().then(r => r.violations.flatMap(v =>
		v.nodes.map(n => v.impact + " " + v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary)))`)
	for _, f := range found {
		if strings.HasPrefix(f, "serious") || strings.HasPrefix(f, "critical") {
			b.Errorf("%s: %s", state, f)
		} else {
			b.Logf("%s: %s", state, f)
		}
	}
}

// browsed is a site of 900 films, which are 36 pages, with a worker at work.
func browsed(t *testing.T) (s *site, api string) {
	t.Helper()
	s = newSite(t, databasetest.SQLite(t), newFolder(t))
	var all strings.Builder
	for i := range 900 {
		genre := []string{"Drama", "Comedy", "Action"}[i%3]
		fmt.Fprintf(&all, `{"title": "Film %d %s", "year": %d, "cast": ["Ann %d", "Bo Ek"], "genres": ["%s"]}`+"\n",
			i, []string{"Noir", "Blanc", "Bleu"}[i%7%3], 1950+i%70, i%40, genre)
	}
	s.put(t, "films.ndjson", []byte(all.String()))
	s.drain(t)
	s.start(t, "worker").logs(t, "worker starts")
	return s, s.serve(t)
}

const (
	cards     = `document.querySelectorAll("#list .card[data-id]").length`
	countText = `document.getElementById("count").textContent`
	idle      = `document.getElementById("list").getAttribute("aria-busy") === "false"`
)

// TestBrowse walks through the page as people do.
func TestBrowse(t *testing.T) {
	b := newTab(t, desktop)
	s, api := browsed(t)
	b.open(api + "/")
	b.wait(`document.getElementById("fresh").textContent.startsWith("live")`)
	b.wait(`document.querySelectorAll("#genres li").length === 3 && document.querySelectorAll("#years svg a").length === 70`)
	b.wait(countText + ` === "25 movies of 900"`)
	b.shot("1 list")
	b.accessible("list")

	b.do(chromedp.SendKeys("#q", "nOIR"))
	b.wait(`location.search === "?q=nOIR" && ` + idle + ` && [...document.querySelectorAll("#list h3")].every(h => h.textContent.includes("Noir"))`)
	b.shot("2 search")
	b.click(`#genres li:nth-child(2) a`)
	b.wait(`location.search.includes("genre=") && ` + idle)
	b.click(`#list .card:first-child button[data-filter=cast]`)
	b.wait(`location.search.includes("cast=Ann") && ` + idle + ` && document.querySelectorAll("#chips button").length === 2`)
	b.wait(cards + ` > 0 && [...document.querySelectorAll("#list .card[data-id]")].every(c => c.textContent.includes("Noir"))`)
	b.shot("3 filters")
	filtered := evaluate[string](b, "location.search")

	title := evaluate[string](b, `document.querySelector("#list .card h3 a").textContent`)
	b.click(`#list .card:first-child h3 a`)
	b.wait(`document.getElementById("movie").open && location.search.includes("movie=")`)
	b.is(`document.getElementById("movie-title").textContent`, title)
	b.shot("4 movie")
	b.accessible("movie")
	b.do(chromedp.NavigateBack())
	b.wait(`!document.getElementById("movie").open`)
	b.is("location.search", filtered)
	b.do(chromedp.NavigateForward())
	b.wait(`document.getElementById("movie").open`)
	b.press(kb.Escape)
	b.wait(`!document.getElementById("movie").open`)
	b.open(api + "/" + filtered) // shared with somebody else
	b.wait(idle + ` && document.querySelectorAll("#chips button").length === 2 && document.getElementById("q").value === "nOIR"`)
	b.click("#chips button:first-child")
	b.wait(`document.querySelectorAll("#chips button").length === 1`)
	b.click("h1 a")
	b.wait(`location.search === "" && ` + countText + ` === "25 movies of 900"`)

	for n := 50; n <= 900; n += 25 { // scrolling loads the next page, 36 in all
		b.script(`scrollTo(0, document.body.scrollHeight)`)
		b.wait(fmt.Sprintf("%s >= %d", cards, n))
	}
	b.wait(countText + ` === "900 movies of 900" && document.getElementById("more").hidden`)
	b.is(`new Set([...document.querySelectorAll("#list .card")].map(c => c.dataset.id)).size`, 900)
	b.shot("5 end")

	// A film appears, and what is in view does not move.
	b.script(`scrollTo(0, 3000); window.watched = [...document.querySelectorAll(".card")].find(c => c.getBoundingClientRect().top > 100);
		window.top0 = watched.getBoundingClientRect().top`)
	s.put(t, "new.json", []byte(`{"title": "Brand new", "year": 2020, "genres": ["Drama"]}`))
	b.wait(`document.querySelector("#list .card").textContent.includes("Brand new")`)
	b.is(`Math.abs(watched.getBoundingClientRect().top - top0) < 2`, true)
	s.put(t, "changed.json", []byte(`{"title": "Film 899 Noir", "year": 2009, "genres": ["War"]}`))
	b.wait(`[...document.querySelectorAll("#list .card.changed")].some(c => c.textContent.includes("Film 899 Noir") && c.textContent.includes("War"))`)
	b.wait(countText + ` === "901 movies of 901"`)
	b.script(`scrollTo(0, 0)`)
	b.shot("6 new")

	b.open(api + "/?q=nothing+like+this")
	b.wait(`!document.getElementById("none").hidden && ` + countText + ` === "No movies"`)
	b.shot("7 none")
	b.accessible("none")
	b.quiet()
	b.open(api + "/?year_from=soon")
	b.wait(countText + `.startsWith("That cannot be shown: year_from is")`)
	b.shot("8 refused")
}

// TestBrowseWeight counts what a first visit costs.
func TestBrowseWeight(t *testing.T) {
	b := newTab(t, desktop)
	_, api := browsed(t)
	b.open(api + "/")
	b.wait(countText + ` === "25 movies of 900"`)
	type resource struct {
		Name  string
		Bytes int
	}
	all := evaluate[[]resource](b, `performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
		.map(r => ({Name: new URL(r.name).pathname, Bytes: r.decodedBodySize}))`)
	weight, movies := 0, 0
	for _, r := range all {
		if r.Name == "/" || strings.HasPrefix(r.Name, "/web/") {
			weight += r.Bytes
		}
		if r.Name == "/movies" {
			movies++
		}
	}
	t.Logf("%d requests, the page itself is %d bytes: %+v", len(all), weight, all)
	if weight > 60_000 || weight < 10_000 {
		t.Errorf("the page weighs %d bytes, want at most 60,000", weight)
	}
	if movies != 1 {
		t.Errorf("the first movies are asked for %d times, want once", movies)
	}
	b.quiet()
}

// TestBrowseLooks shows the page on a phone, and in the dark.
func TestBrowseLooks(t *testing.T) {
	_, api := browsed(t)
	for name, l := range map[string]look{"phone": phone, "dark": dark} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			b.open(api + "/")
			b.wait(countText + ` === "25 movies of 900"`)
			b.wait(`document.querySelectorAll("#genres li").length === 3 && document.getElementById("fresh").textContent.startsWith("live")`)
			b.is(`document.documentElement.scrollWidth <= innerWidth`, true)
			b.shot("list")
			b.accessible(name)
			b.click(`#list .card:first-child h3 a`)
			b.wait(`document.getElementById("movie").open`)
			b.shot("movie")
			b.accessible(name + ", movie")
			b.quiet()
		})
	}
}

// TestBrowseByKeyboard uses no pointer.
func TestBrowseByKeyboard(t *testing.T) {
	b := newTab(t, desktop)
	_, api := browsed(t)
	const focus = `document.activeElement`
	// Without this the next page comes before the button is reached.
	run(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: "window.IntersectionObserver = class { observe() {} unobserve() {} }",
		})
		return err
	}))
	b.open(api + "/")
	b.wait(countText + ` === "25 movies of 900"`)
	b.press(kb.Tab)
	b.is(focus+`.className`, "skip")
	b.shot("1 skip link")
	b.press(kb.Enter, kb.Tab)
	b.is(focus+`.closest(".card") !== null`, true)
	b.shot("2 focus")
	title := evaluate[string](b, focus+".textContent")
	b.press(kb.Enter)
	b.wait(`document.getElementById("movie").open`)
	b.is(`document.getElementById("movie-title").textContent`, title)
	b.is(focus+`.closest("dialog") !== null`, true)
	b.press(kb.Escape)
	b.wait(`!document.getElementById("movie").open`)
	b.is(focus+".textContent", title) // back where it was
	for range 120 {                   // to the button below the list, which loads more
		b.press(kb.Tab)
		if evaluate[bool](b, focus+`.id === "more"`) {
			break
		}
	}
	before := evaluate[int](b, cards)
	b.is(focus+".id", "more")
	b.press(kb.Enter)
	b.wait(fmt.Sprintf("%s > %d", cards, before))
	b.quiet()
}

// TestBrowseAway takes the API away and gives it back: the page says so, and goes
// on by itself.
func TestBrowseAway(t *testing.T) {
	b := newTab(t, desktop)
	_, api := browsed(t)
	front := newProxy(t, strings.TrimPrefix(api, "http://"))
	b.open("http://" + front.Addr().String() + "/")
	b.wait(`document.getElementById("fresh").textContent.startsWith("live") && ` + idle)
	front.set(fault{hole: true})
	front.drop()
	b.do(chromedp.SendKeys("#q", "bleu"))
	b.wait(`document.querySelectorAll("#list .empty").length > 0 && ` + countText + ` === "Loading movies"`)
	b.shot("1 loading")
	front.set(fault{after: 1, reset: true})
	front.drop()
	b.wait(`!document.getElementById("away").hidden && document.getElementById("badge").dataset.state === "away"`)
	b.shot("2 away")
	b.accessible("away")
	front.set(fault{})
	b.wait(`document.getElementById("away").hidden && ` + idle + ` && ` + cards + ` === 25`)
	b.wait(`document.getElementById("badge").dataset.state === "live"`)
	b.is(`[...document.querySelectorAll("#list h3")].every(h => h.textContent.includes("Bleu"))`, true)
	b.shot("3 back")
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !strings.HasPrefix(c, "network ") {
			t.Errorf("the browser complains: %s", c)
		}
	}
}
