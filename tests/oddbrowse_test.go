package tests

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
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

// older takes from a browser what those of 2023 lack.
const older = `
	delete AbortSignal.any;
	delete Element.prototype.checkVisibility;
	const { prototype } = URLSearchParams, { has, delete: remove } = prototype;
	delete prototype.size;
	prototype.has = function (name) { return has.call(this, name); };
	prototype.delete = function (name) { remove.call(this, name); };`

// TestBrowseOlderBrowsers: the page works in browsers of 2023.
func TestBrowseOlderBrowsers(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.before(older)
	b.open(api + "/?genre_any=Drama&genre_any=War&genre_any=Comedy")
	b.wait(live + ` && ` + countText + ` === "600 of 900 movies" && document.getElementById("panel").classList.contains("ready")`)
	b.hit(`document.querySelector("#genre [data-name=War]")`)
	b.wait(`location.search === "?genre_any=Drama&genre_any=Comedy" && ` + idle)
	b.click("#list .genre")
	b.wait(`location.search.includes("&genre=") && ` + idle + ` && document.querySelectorAll("#chips .chip").length === 3`)
	b.open(api + "/?cast=Bo+Ek&cast=Ann+7")
	b.wait(idle + ` && document.querySelectorAll("#chips .chip").length === 3`)
	b.click("#chips a")
	b.wait(`location.search === "?cast=Ann+7" && ` + idle)
	b.script(`document.querySelector("#cast [data-name='Ann 7']").focus()`)
	b.press(kb.Enter)
	b.wait(`location.search === "" && document.activeElement.dataset.name === "Ann 7"`)
	b.click("#list h3 a")
	b.wait(`document.activeElement.localName === "h2"`)
	b.open(api + "/docs#movies")
	b.wait(`document.querySelector("details[open] .command")?.textContent.endsWith("/movies'")`)
}

// TestBrowseOldDate: an answer from the browser's cache does not set the page's clock back.
func TestBrowseOldDate(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.before(`const send = fetch;
		window.fetch = async (url, options) => {
			const r = await send(url, options), headers = new Headers(r.headers);
			if (!/^(status|changes)/.test(url)) headers.set("Date", new Date(Date.now() - 3600_000).toUTCString());
			return new Response(r.body, { status: r.status, headers });
		};`)
	b.open(api + "/")
	b.wait(live + ` && ` + allFilms)
	b.search("noir")
	b.wait(`location.search === "?q=noir&sort=match" && ` + idle)
	b.is(`import(document.querySelector("script").src.replace("browse", "api")).then((api) => Math.abs(api.now() - Date.now()) < 60_000)`, true)
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

// TestBrowseWrongYears: single movies of the years 1 and 9999 do not make all bars thin. The bars
// at the ends include them.
func TestBrowseWrongYears(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	s.put(t, "wrong.json", []byte(`{"title": "Old", "year": 1} {"title": "Far", "year": 9999, "cast": ["Ann 0"]}`))
	waitFor(t, "wrong years", func() bool { return s.revision(t) == 902 })
	b.open(api + "/")
	b.wait(countText + ` === "902 movies" && document.getElementById("panel").classList.contains("ready")`)
	b.is(`document.querySelector("#years svg").viewBox.baseVal.width`, 70)
	b.is(`document.querySelector("#years .whole").getAttribute("d").split("M").length - 1`, 70)
	b.is(`document.querySelector("#years p").textContent`, "1–9999: 902 movies")
	type box struct{ X, Y, Width, Height float64 }
	r := evaluate[box](b, `(({x, y, width, height}) => ({X: x, Y: y, Width: width, Height: height}))(document.querySelector(".picture").getBoundingClientRect())`)
	b.dragMouse(r.X+r.Width/140, r.X+1, r.Y+r.Height/2) // over the first bar
	b.wait(`location.search === "?year_from=1&year_to=1950" && ` + idle)
	b.is(`document.querySelector("#years p").textContent`, "1–1950: 14 movies")
	b.dragMouse(r.X+r.Width-1, r.X+r.Width*69/70+2, r.Y+r.Height/2)
	b.wait(`location.search === "?year_from=2019&year_to=9999" && ` + idle)
	b.open(api + "/?person=Ann+0")
	b.wait(`document.querySelector("#page .bars") !== null`)
}
