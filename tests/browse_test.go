package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// allFilms is true when the page counts all films of browsed, without a filter.
const allFilms = countText + ` === "900 movies"`

// search types into the search box and presses Enter.
func (b *tab) search(words string) {
	b.Helper()
	b.script(`document.getElementById("q").select()`)
	b.do(chromedp.SendKeys("#q", words))
	b.press(kb.Enter)
}

// TestBrowse walks through the page as a visitor does.
func TestBrowse(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	b.open(api + "/")
	b.wait(live + ` && ` + allFilms)
	b.wait(`document.querySelectorAll("#genre li").length === 3 && document.querySelectorAll("#cast li").length === 12`)
	b.is(`document.querySelector("#years .whole").getAttribute("d").split("M").length - 1`, 70) // a bar for each year
	b.shot("1 list")
	b.accessible("list")

	b.search("nOIR")
	b.wait(`location.search === "?q=nOIR&sort=match" && ` + idle + ` && [...document.querySelectorAll("#list h3")].every(h => h.textContent.includes("Noir"))`)
	b.is(`document.querySelector("#chips a").textContent`, "Remove title has nOIR…×")
	b.shot("2 search")
	b.click(`#genre li:nth-child(2) a`)
	b.wait(`location.search.includes("genre=") && ` + idle + ` && document.querySelector("#genre a").dataset.tag === "✓"`)
	b.click(`#cast li:nth-child(2) a`)
	b.wait(`location.search.includes("cast=") && ` + idle + ` && document.querySelectorAll("#chips .chip").length === 4`) // and Clear all
	b.wait(cards + ` > 0 && [...document.querySelectorAll("#list .card[data-id]")].every(c => c.textContent.includes("Noir"))`)
	b.wait(countText + `.endsWith(" of 900 movies")`)
	b.shot("3 filters")
	filtered := evaluate[string](b, "location.search")

	title := evaluate[string](b, `document.querySelector("#list .card h3 a").textContent`)
	b.click(`#list .card:first-child h3 a`)
	b.wait(`document.querySelector("#page h2")?.textContent === ` + fmt.Sprintf("%q", title) + ` && /^\?movie=\d+$/.test(location.search)`)
	b.do(chromedp.NavigateBack())
	b.wait(`document.getElementById("page").hidden && !document.getElementById("results").hidden`)
	b.is("location.search", filtered)
	b.is("document.activeElement.textContent", title) // the focus returns to the link
	b.do(chromedp.NavigateForward())
	b.wait(`!document.getElementById("page").hidden`)
	b.click(".back")
	b.wait(`document.getElementById("page").hidden`)
	b.open(api + "/" + filtered) // as a shared link
	b.wait(idle + ` && document.querySelectorAll("#chips .chip").length === 4 && document.getElementById("q").value === "nOIR"`)
	b.is(`document.getElementById("sort").value`, "match")
	b.click("#chips a:first-child") // without q there is no sort by match
	b.wait(`document.querySelectorAll("#chips .chip").length === 3 && !location.search.includes("match") && ` + idle)
	b.do(chromedp.SetValue("#sort", "year"))
	b.script(`document.getElementById("sort").dispatchEvent(new Event("change"))`)
	b.wait(`location.search.endsWith("sort=year") && ` + idle)
	b.is(`[...document.querySelectorAll("#list .year")].map(y => Number(y.textContent)).every((y, i, all) => i === 0 || all[i - 1] <= y)`, true)
	b.click("h1 a")
	b.wait(`location.search === "" && ` + allFilms)

	for n := 50; n <= 900; n += 25 { // scrolling loads the next page, 36 in all
		b.script(`scrollTo(0, document.body.scrollHeight)`)
		b.wait(fmt.Sprintf("%s >= %d", cards, n))
	}
	b.wait(cards + ` === 900 && document.getElementById("more").hidden`)
	b.is(`new Set([...document.querySelectorAll("#list .card")].map(c => c.dataset.id)).size`, 900)
	b.shot("4 end")

	// A film appears, and the films in view do not move.
	b.script(`scrollTo(0, 3000); window.watched = [...document.querySelectorAll(".card")].find(c => c.getBoundingClientRect().top > 100);
		window.top0 = watched.getBoundingClientRect().top`)
	s.put(t, "new.json", []byte(`{"title": "Brand new", "year": 2020, "genres": ["Drama"]}`))
	b.wait(`document.querySelector("#list .card").textContent.includes("Brand new")`)
	b.is(`Math.abs(watched.getBoundingClientRect().top - top0) < 2`, true)
	// The page highlights the change for 4 s only, so an observer notes it.
	const war = `(c => c.textContent.includes("Film 899 Noir") && c.textContent.includes("War"))`
	b.script(`window.highlighted = false; new MutationObserver(() => {
			highlighted ||= [...document.querySelectorAll("#list .card.changed")].some(` + war + `);
		}).observe(document.getElementById("list"), {subtree: true, childList: true, attributeFilter: ["class"]})`)
	s.put(t, "changed.json", []byte(`{"title": "Film 899 Noir", "year": 2009, "genres": ["War"]}`))
	b.wait(`[...document.querySelectorAll("#list .card")].some(` + war + `)`)
	b.is(`highlighted`, true)
	b.wait(countText + ` === "901 movies" && document.querySelectorAll("#genre li").length === 4`)
	b.script(`scrollTo(0, 0)`)
	b.shot("5 new")

	b.click("#look-table")
	b.wait(`document.getElementById("results").classList.contains("dense")`)
	b.shot("6 table")
	b.accessible("table")
	b.open(api + "/?year_from=1990")
	b.wait(idle + ` && document.getElementById("results").classList.contains("dense")`) // the page remembers the look
}

// TestBrowseKeepsPlace: going back restores the scroll position in the list, also after a
// reload.
func TestBrowseKeepsPlace(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
	for n := 50; n <= 150; n += 25 {
		b.script(`scrollTo(0, document.body.scrollHeight)`)
		b.wait(fmt.Sprintf("%s >= %d", cards, n))
	}
	b.script(`scrollTo(0, 2000)`)
	const place = `[...document.querySelectorAll("#list h3 a")].find(a => a.getBoundingClientRect().top > 100)`
	title := evaluate[string](b, place+`.textContent`)
	b.wait(`history.state.y === 2000`)
	b.hit(place)
	b.wait(`!document.getElementById("page").hidden && scrollY === 0`)
	b.do(chromedp.NavigateBack())
	b.wait(`!document.getElementById("results").hidden && scrollY === 2000`)
	b.is(place+`.textContent`, title)
	b.open("about:blank")
	b.do(chromedp.NavigateBack())
	b.wait(idle + ` && scrollY === 2000 && ` + cards + ` >= 150`)
	b.is(place+`.textContent`, title)
}

// TestBrowseWeight counts the bytes and requests of a first visit.
func TestBrowseWeight(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
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
	if weight > 80<<10 || weight < 10_000 {
		t.Errorf("the page weighs %d bytes, want at most 80 KiB", weight)
	}
	if movies != 1 {
		t.Errorf("the first movies are asked for %d times, want once", movies)
	}
}

// TestBrowseLooks captures every view on a phone and on a desktop, in light and dark mode.
func TestBrowseLooks(t *testing.T) {
	t.Parallel()
	_, api := browsed(t)
	for name, l := range map[string]look{"phone": phone, "dark phone": {320, 700, "dark"}, "tablet": {768, 1024, "light"}, "dark": dark, "wide": {1920, 1080, "light"}} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			defer b.quiet()
			b.faulty = true // it opens movies that do not exist
			for view, address := range map[string]string{
				"list": "", "filters": "?genre_any=Drama&genre_any=Action&genre_not=War&cast=Bo+Ek&year_from=1960&year_to=1980&q=film",
				"none": "?q=fillm+ann", "refused": "?genr=Drama", "movie": "?movie=7", "no movie": "?movie=7777", "person": "?person=Ann+7", "nobody": "?person=An+7",
			} {
				b.open(api + "/" + address)
				b.wait(live + ` && document.getElementById("page").innerText !== "" || ` + idle + ` && (document.getElementById("panel").classList.contains("ready") || ` + countText + ` === "That cannot be shown")`)
				b.is(`document.documentElement.scrollWidth <= innerWidth`, true)
				b.shot(view)
				b.accessible(name + ", " + view)
			}
		})
	}
}

// TestBrowseByKeyboard uses no pointer.
func TestBrowseByKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	const focus = `document.activeElement`
	// Without this, the page loads more movies before the focus reaches the button.
	b.before(`window.IntersectionObserver = class { observe() {} unobserve() {} }`)
	b.open(api + "/")
	b.wait(allFilms)
	b.press(kb.Tab)
	b.is(focus+`.className`, "skip")
	b.shot("1 skip link")
	b.press(kb.Enter)
	for range 10 { // past the sort order and the look
		b.press(kb.Tab)
		if evaluate[bool](b, focus+`.closest(".card") !== null`) {
			break
		}
	}
	b.is(focus+`.closest(".card") !== null`, true)
	b.shot("2 focus")
	title := evaluate[string](b, focus+".textContent")
	b.press(kb.Enter)
	b.wait(`document.querySelector("#page h2") === ` + focus)
	b.is(focus+`.textContent`, title)
	b.do(chromedp.NavigateBack())
	b.wait(`document.getElementById("page").hidden`)
	b.is(focus+".textContent", title) // the focus returns to the link
	for range 200 {                   // to the "load more" button below the list
		b.press(kb.Tab)
		if evaluate[bool](b, focus+`.id === "more"`) {
			break
		}
	}
	before := evaluate[int](b, cards)
	b.is(focus+".id", "more")
	b.press(kb.Enter)
	b.wait(fmt.Sprintf("%s > %d", cards, before))

	b.script(`document.getElementById("q").focus()`)
	b.do(chromedp.SendKeys("#q", "dra"))
	const options = `document.querySelectorAll("#options [role=option]")`
	b.wait(options + `.length === 2 && document.getElementById("q").getAttribute("aria-expanded") === "true"`)
	b.press(kb.ArrowDown)
	b.is(`document.getElementById(document.getElementById("q").getAttribute("aria-activedescendant")).textContent`, "Drama genre, 300 movies")
	b.shot("3 suggestion")
	b.press(kb.Escape)
	b.is(`document.getElementById("options").hidden && document.getElementById("q").value`, "dra")
	b.press(kb.ArrowDown)
	b.wait(`!document.getElementById("options").hidden`)
	b.press(kb.ArrowDown, kb.Enter)
	b.wait(`location.search === "?genre=Drama" && ` + countText + ` === "300 of 900 movies"`)

	// In the range of years, each key moves an end by one. A year can also be typed.
	b.script(`document.querySelector("#years input").focus()`)
	b.press(kb.ArrowUp, kb.ArrowUp)
	b.wait(`new URLSearchParams(location.search).get("year_from") === "1952" && ` + idle)
	b.press(kb.Tab)
	b.script(focus + `.select()`)
	b.do(chromedp.KeyEvent("195"))
	s.put(t, "another.json", []byte(`{"title": "Another", "year": 1999, "genres": ["Drama"]}`))
	b.wait(`document.querySelector("#years p").textContent === "1952–2019: 292 of 875 movies"`)
	b.do(chromedp.KeyEvent("2"))
	b.press(kb.Enter)
	b.wait(`new URLSearchParams(location.search).get("year_to") === "1952" && document.querySelector("#years p").textContent.startsWith("1952: ")`)
	b.is(focus+`.type`, "number") // the focus stays
	b.shot("4 range")
	b.do(chromedp.NavigateBack())
	b.wait(`location.search === "?genre=Drama" && ` + countText + ` === "301 of 901 movies"`) // one step, not one for each key
}

// TestBrowseHistogram drags a range over the years, with a mouse and with a finger.
func TestBrowseHistogram(t *testing.T) {
	t.Parallel()
	_, api := browsed(t)
	for name, l := range map[string]look{"mouse": desktop, "finger": phone} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			defer b.quiet()
			b.open(api + "/")
			b.wait(allFilms + ` && document.getElementById("panel").classList.contains("ready")`)
			drag := b.dragMouse
			if name == "finger" {
				b.click("#filter")
				b.wait(`document.getElementById("sheet").open`)
				drag = b.dragFinger
			}
			type box struct{ X, Y, Width, Height float64 }
			r := evaluate[box](b, `(({x, y, width, height}) => ({X: x, Y: y, Width: width, Height: height}))(document.querySelector(".picture").getBoundingClientRect())`)
			year := func(n float64) float64 { return r.X + (n-1950+.5)/70*r.Width }
			drag(year(1969), year(1960), r.Y+r.Height/2)
			b.wait(`location.search === "?year_from=1960&year_to=1969" && ` + idle)
			b.is(`[...document.querySelectorAll("#list .year")].every(y => y.textContent.startsWith("196"))`, true)
			b.is(`document.querySelector("#chips a").textContent`, "Remove 1960–1969×")
			b.is(`document.querySelectorAll("#years path")[2].getAttribute("d").split("M").length - 1`, 10)
			b.shot("range")
			drag(year(1955), year(1955), r.Y+r.Height/2)
			b.wait(`location.search === "?year_from=1955&year_to=1955"`)
		})
	}
}

// TestBrowseSheet: on a phone the results come first, and the filters are in a sheet.
func TestBrowseSheet(t *testing.T) {
	t.Parallel()
	b := newTab(t, phone)
	defer b.quiet()
	_, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
	b.is(`document.querySelector("#list .card").getBoundingClientRect().top < innerHeight / 3`, true)
	b.is(`document.getElementById("panel").checkVisibility()`, false)
	b.script(`document.getElementById("filter").focus()`)
	b.press(kb.Enter)
	b.wait(`document.getElementById("sheet").open && document.getElementById("panel").checkVisibility()`)
	for range 40 { // the focus stays inside, or goes to the browser itself
		b.press(kb.Tab)
		if !evaluate[bool](b, `document.activeElement === document.body || document.getElementById("sheet").contains(document.activeElement)`) {
			t.Fatalf("the focus has left the sheet for %s", evaluate[string](b, `document.activeElement.outerHTML`))
		}
	}
	b.shot("1 sheet")
	b.accessible("sheet")
	b.click("#genre a")
	b.wait(`location.search === "?genre=Action" && document.getElementById("show").textContent === "Show 300 movies"`)
	b.is(`document.activeElement.dataset.name`, "Action") // the focus stays, for the keyboard
	b.press(kb.Escape)
	b.wait(`!document.getElementById("sheet").open`)
	b.is(`document.activeElement.id`, "filter")
	b.click("#filter")
	b.click("#show")
	b.wait(`!document.getElementById("sheet").open && ` + countText + ` === "300 of 900 movies"`)
	b.is(`[...document.querySelectorAll("#q, #filter, #sort, .bar fieldset label")].every(e => e.getBoundingClientRect().height >= 44)`, true)

	// It closes when the page leaves the list.
	b.click("#list h3 a")
	b.wait(`!document.getElementById("page").hidden`)
	b.click(".back")
	b.wait(`!document.getElementById("results").hidden`)
	b.click("#filter")
	b.wait(`document.getElementById("sheet").open`)
	b.script(`history.back()`)
	b.wait(`!document.getElementById("page").hidden && !document.getElementById("sheet").open && document.activeElement.localName === "h2"`)
}

// TestBrowseAway stops the API and starts it again: the page reports it and recovers by
// itself.
func TestBrowseAway(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.faulty = true
	front := newProxy(t, strings.TrimPrefix(api, "http://"))
	b.open("http://" + front.Addr().String() + "/")
	b.wait(`document.getElementById("fresh").textContent.startsWith("live") && ` + idle)
	front.set(fault{hole: true})
	front.drop()
	b.search("bleu")
	b.wait(`document.querySelectorAll("#list .empty").length > 0 && ` + countText + ` === "Loading movies"`)
	b.shot("1 loading")
	front.set(fault{after: 1, reset: true})
	front.drop()
	b.wait(`!document.getElementById("away").hidden && document.getElementById("badge").dataset.state === "away"`)
	b.shot("2 away")
	b.accessible("away")
	front.set(fault{})
	b.wait(`document.getElementById("away").hidden && ` + idle + ` && ` + cards + ` >= 25`)
	b.wait(`document.getElementById("badge").dataset.state === "live"`)
	b.is(`[...document.querySelectorAll("#list h3")].every(h => h.textContent.includes("Bleu"))`, true)
	b.shot("3 back")
}
