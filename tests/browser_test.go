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
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"jpmovies/internal/database/databasetest"
)

// axeVariable holds the path of axe.min.js, which checks accessibility.
const axeVariable = "MOVIES_TEST_AXE"

// look is a window size and a color scheme.
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
	// complaints are errors of the browser's console: of scripts, of the content security
	// policy, and failed requests.
	complaints []string
	// faulty is set where requests fail on purpose; the browser logs these, too.
	faulty bool
}

// newTab opens a tab of Chromium. Without Chromium it skips the test.
func newTab(t *testing.T, l look) *tab {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
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

// quiet expects that the browser logged no errors. Tests defer it, so that it runs before the
// servers stop.
func (b *tab) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		if !b.faulty || !strings.HasPrefix(c, "network ") {
			b.Errorf("the browser complains: %s", c)
		}
	}
}

// do runs steps, for at most half a minute.
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

// hit clicks the element that an expression finds, as soon as it is there.
func (b *tab) hit(element string) {
	b.Helper()
	b.wait(`(e => { e?.click(); return e != null })(` + element + `)`)
}

// press presses keys as a keyboard does: the key-down event carries the text. As an event of
// its own, the text could reach a dialog that has opened in between.
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

// wait waits until a JavaScript expression is true.
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

// shot saves a screenshot of the visible part, for review: go test -artifacts.
func (b *tab) shot(name string) {
	b.Helper()
	png := run(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(b.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		b.Fatal(err)
	}
}

// accessible expects that axe finds no serious violation.
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
	found := evaluate[[]string](b, `axe.run({rules: {"target-size": {enabled: true}}}).then(r => r.violations.flatMap(v =>
		v.nodes.map(n => v.impact + " " + v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary)))`)
	for _, f := range found {
		if strings.HasPrefix(f, "serious") || strings.HasPrefix(f, "critical") {
			b.Errorf("%s: %s", state, f)
		} else {
			b.Logf("%s: %s", state, f)
		}
	}
}

// browsed returns a site of 900 films, 36 pages, with a running worker, and its API.
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
