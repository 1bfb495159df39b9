package tests

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowseHistory: the search box follows back and forward, also while it has the focus. It
// keeps what is typed while the page is only refreshed.
func TestBrowseHistory(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
	const box, open = `document.getElementById("q").value`, `!document.getElementById("options").hidden`
	b.search("noir")
	b.wait(`location.search === "?q=noir&sort=match" && ` + idle)
	b.search("bleu")
	b.wait(`location.search === "?q=bleu&sort=match" && ` + idle)
	b.is(`document.activeElement.id`, "q")
	b.script(`history.back()`)
	b.wait(`location.search === "?q=noir&sort=match" && ` + idle)
	b.is(box, "noir")
	b.do(chromedp.SendKeys("#q", " film"))
	b.wait(open)
	b.script(`history.back()`)
	b.wait(`location.search === "" && ` + allFilms)
	b.is(box, "")
	b.is(open, false)
	b.script(`history.forward()`)
	b.wait(`location.search === "?q=noir&sort=match" && ` + idle)
	b.is(box, "noir")

	b.do(chromedp.SendKeys("#q", " x"))
	b.wait(open)
	s.put(t, "new.json", []byte(`{"title": "New Noir", "year": 2020}`))
	b.wait(`document.querySelector("#list .card").textContent.includes("New Noir")`)
	b.is(box, "noir x")
}

// TestBrowseRightToLeft: what stands behind Hebrew letters is at their left.
func TestBrowseRightToLeft(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	s.put(t, "hebrew.json", []byte(`{"title": "שלום!", "year": 2021, "cast": ["דנה."], "genres": ["דרמה?"]}`))
	reads := func(selector string) {
		t.Helper()
		b.wait(`((e) => {
			const text = e && document.createTreeWalker(e, NodeFilter.SHOW_TEXT).nextNode();
			const left = (i) => { const r = new Range(); r.setStart(text, i); r.setEnd(text, i + 1); return r.getBoundingClientRect().left; };
			return text && left(text.length - 1) < left(0);
		})(document.querySelector("` + selector + `"))`)
	}
	b.open(api + "/?year=2021")
	for _, selector := range []string{"#list h3 a", "#list .genre", "#list .cast a", "#genre .name", "#cast .name"} {
		reads(selector)
	}
	b.shot("list")
	b.do(chromedp.SendKeys("#q", "שלום!"))
	b.is(`getComputedStyle(document.getElementById("q")).direction`, "rtl")
	b.wait(`!document.getElementById("options").hidden`)
	reads("#options .name")
	b.shot("suggestion")
	b.click("#list h3 a")
	for _, selector := range []string{"#page h2", "#page .genre", "#page .people a"} {
		reads(selector)
	}
	b.shot("movie")
}
