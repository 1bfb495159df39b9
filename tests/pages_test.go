package tests

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"jpmovies/internal/database/databasetest"
)

// dragMouse drags from one x to another at the same height.
func (b *tab) dragMouse(from, to, y float64) {
	b.Helper()
	run(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		send := func(kind input.DispatchMouseEventType, x float64) error {
			_, err := cdp.Call(ctx, target, input.DispatchMouseEvent, input.DispatchMouseEventParams{
				Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1,
			})
			return err
		}
		return errors.Join(send(input.DispatchMouseEventTypeMousePressed, from), send(input.DispatchMouseEventTypeMouseMoved, (from+to)/2),
			send(input.DispatchMouseEventTypeMouseMoved, to), send(input.DispatchMouseEventTypeMouseReleased, to))
	}))
}

// dragFinger does the same with a finger.
func (b *tab) dragFinger(from, to, y float64) {
	b.Helper()
	run(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		send := func(kind input.DispatchTouchEventType, xs ...float64) error {
			points := []*input.TouchPoint{}
			for _, x := range xs {
				points = append(points, &input.TouchPoint{X: x, Y: y})
			}
			_, err := cdp.Call(ctx, target, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
			return err
		}
		return errors.Join(send(input.DispatchTouchEventTypeTouchStart, from), send(input.DispatchTouchEventTypeTouchMove, (from+to)/2),
			send(input.DispatchTouchEventTypeTouchMove, to), send(input.DispatchTouchEventTypeTouchEnd))
	}))
}

// starred returns a site of a few films with named people, with a running worker, and its API.
func starred(t *testing.T) (s *site, api string) {
	t.Helper()
	s = newSite(t, databasetest.SQLite(t), newFolder(t))
	s.put(t, "films.ndjson", []byte(`
{"title": "Interstellar", "year": 2014, "cast": ["Anne Hathaway", "Michael Caine"], "genres": ["Science Fiction", "Drama"]}
{"title": "The Dark Knight Rises", "year": 2012, "cast": ["Christian Bale", "Michael Caine", "Anne Hathaway"], "genres": ["Action"]}
{"title": "The Cider House Rules", "year": 1999, "cast": ["Michael Caine"], "genres": ["Drama"]}
{"title": "Big", "year": 1988, "cast": ["Tom Hanks"], "genres": ["Comedy"]}
{"title": "Cast Away", "year": 2000, "cast": ["Tom Hanks", "Helen Hunt"], "genres": ["Drama"]}
{"title": "Star Wars", "year": 1977, "cast": ["Mark Hamill"], "genres": ["Science Fiction"]}
`))
	s.drain(t)
	s.start(t, "worker").logs(t, "worker starts")
	return s, s.serve(t)
}

const (
	pageTitle = `document.querySelector("#page h2")?.textContent`
	entries   = `[...document.querySelectorAll("#options [role=option]")].map(o => o.textContent).join()`
)

// TestBrowseSearch finds titles, people and genres despite typos. If a search finds nothing,
// the page suggests others.
func TestBrowseSearch(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := starred(t)
	b.open(api + "/")
	b.wait(countText + ` === "6 movies"`)
	b.do(chromedp.SendKeys("#q", "intersteller"))
	b.wait(entries + ` === "Interstellar 2014,Titles with “intersteller” "`)
	b.shot("1 typo")
	b.accessible("suggestions")
	b.press(kb.ArrowDown, kb.Enter)
	b.wait(pageTitle + ` === "Interstellar" && document.getElementById("q").value === ""`)

	b.do(chromedp.SendKeys("#q", "tom h"))
	b.wait(entries + `.startsWith("Tom Hanks 2 movies") && ` + entries + `.includes("“tom h”")`)
	b.click("#options li:first-child") // with the pointer
	b.wait(`location.search === "?person=Tom+Hanks" && ` + pageTitle + ` === "Tom Hanks"`)

	b.search("tom hanks")
	b.wait(`location.search === "?q=tom+hanks&sort=match" && ` + countText + ` === "No movies"`)
	b.wait(`document.querySelector("#note h3")?.textContent === "Did you mean …?"`)
	b.is(`document.querySelector(".meant a").textContent`, "Tom Hanks2 movies")
	b.shot("2 did you mean")
	b.click(".meant a")
	b.wait(pageTitle + ` === "Tom Hanks"`)

	b.search("star wa")
	b.wait(`document.querySelector("#list h3")?.textContent === "Star Wars" && document.querySelector("#chips a").textContent.includes("title has star wa…")`)
	b.do(chromedp.SendKeys("#q", " zzzz"))
	b.wait(entries + `.startsWith("Titles with")`) // no suggestion matches
	b.press(kb.Enter)
	b.wait(countText + ` === "No movies" && document.getElementById("note").textContent.includes("No movie matches")`)
	b.script(`document.getElementById("q").select()`)
	b.do(chromedp.SendKeys("#q", "%%%"))
	b.press(kb.Enter) // the query has no word
	b.faulty = true
	b.wait(countText + ` === "That cannot be shown" && document.querySelector(".error").textContent.startsWith("q is")`)
}

// TestBrowseAsksLittle: while somebody types, the page drops late responses, and most keys
// cause no request.
func TestBrowseAsksLittle(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := starred(t)
	b.open(api + "/")
	b.wait(countText + ` === "6 movies" && ` + live)
	b.do(chromedp.SendKeys("#q", "interstellar"))
	b.wait(entries + ` === "Interstellar 2014,Titles with “interstellar” "`)
	if asked := evaluate[int](b, `performance.getEntriesByType("resource").filter(r => r.name.includes("/suggest")).length`); asked > 12 {
		t.Errorf("12 keys made %d questions", asked)
	}
	b.script(`performance.clearResourceTimings()`)
	b.press(kb.Enter)
	b.wait(countText + ` === "1 of 6 movies"`)
	// One list and three counts. The page already has the counts of all movies per year.
	const asked = `performance.getEntriesByType("resource").map(r => new URL(r.name).pathname).filter(p => p !== "/status" && p !== "/changes").sort()`
	b.wait(asked + `.join() === "/genres,/movies,/people,/years"`)
}

// TestBrowseFilters combines filters: all of, any of, and none of.
func TestBrowseFilters(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := starred(t)
	b.open(api + "/?genre_any=Drama&genre_any=Comedy&cast_not=Helen+Hunt")
	b.wait(countText + ` === "3 of 6 movies"`)
	const chipTexts = `[...document.querySelectorAll("#chips .chip")].map(c => c.textContent).join()`
	b.is(chipTexts, "Remove any of Drama, Comedy×,Remove without Helen Hunt×,Clear all")
	const row = `[...document.querySelectorAll("#genre a")].find(a => a.dataset.name === %q)`
	b.wait(fmt.Sprintf(row, "Drama") + `?.dataset.tag === "any"`)
	b.is(fmt.Sprintf(row, "Action")+`.querySelector(".n").textContent`, 1) // the count with this filter added
	b.hit(fmt.Sprintf(row, "Action"))
	b.wait(countText + ` === "4 of 6 movies"`)
	b.click(`[name=genre-way][value=_not]`)
	b.hit(fmt.Sprintf(row, "Science Fiction"))
	b.wait(countText + ` === "3 of 6 movies" && ` + chipTexts + `.includes("not Science Fiction")`)
	b.shot("1 any and not")
	b.click(`#chips .chip:first-child`)
	b.wait(`location.search === "?cast_not=Helen+Hunt&genre_not=Science+Fiction" && ` + countText + ` === "3 of 6 movies"`)

	b.open(api + "/?genre=Drama&genre=Comedy")
	b.wait(countText + ` === "No movies"`)
	b.click(`[name=genre-way][value=_any]`) // changes "all of" to "any of"
	b.wait(`location.search === "?genre_any=Drama&genre_any=Comedy" && ` + countText + ` === "4 of 6 movies"`)
	b.hit(`[...document.querySelectorAll("#cast a")].find(a => a.dataset.name === "Tom Hanks")`)
	b.wait(`location.search.endsWith("&cast=Tom+Hanks") && ` + countText + ` === "2 of 6 movies"`)

	b.faulty = true
	b.open(api + "/?genr=Drama")
	b.wait(countText + ` === "That cannot be shown"`)
	b.is(`document.querySelector(".error").textContent.startsWith('unknown parameter "genr", did you mean genre?')`, true)
	b.click("#note a")
	b.wait(`location.search === "" && ` + countText + ` === "6 movies"`)
	b.open(api + "/?year_from=soon")
	b.wait(countText + ` === "That cannot be shown" && document.querySelector(".error").textContent.startsWith("year_from is")`)
}

// TestBrowseMovie shows a movie's details, similar movies, and its later changes.
func TestBrowseMovie(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := starred(t)
	b.open(api + "/?q=interstellar")
	b.wait(countText + ` === "1 of 6 movies"`)
	b.click("#list h3 a")
	b.wait(pageTitle + ` === "Interstellar" && document.title === "Interstellar (2014) – Movies"`)
	b.is(`[...document.querySelectorAll(".people a")].map(a => a.textContent).join()`, "Anne Hathaway,Michael Caine")
	b.is(`[...document.querySelectorAll("#page .card h3")].map(h => h.textContent).join()`, "The Dark Knight Rises,The Cider House Rules") // most in common first
	b.is(`document.querySelector(".history").textContent.startsWith("Added")`, true)
	b.shot("1 movie")
	b.accessible("movie")
	s.put(t, "changed.json", []byte(`{"title": "Interstellar", "year": 2014, "cast": ["Anne Hathaway", "Michael Caine", "Matt Damon"]}`))
	b.wait(`document.querySelectorAll(".people a").length === 3 && document.querySelector(".history li").textContent.startsWith("Cast changed")`)
	b.faulty = true // the page requests the deleted movie
	s.put(t, "deleted.json", []byte(`{"title": "Interstellar", "year": 2014, "deleted": true}`))
	b.wait(pageTitle + `.endsWith("was deleted") && document.querySelectorAll(".history li").length === 3`)
	b.shot("2 deleted")
	b.accessible("deleted")
	b.click(".back")
	b.wait(`location.search === "?q=interstellar" && ` + countText + ` === "No movies"`)
	b.open(api + "/?movie=77")
	b.wait(pageTitle + ` === "There is no movie 77"`)
}

// TestBrowsePerson shows the films of a person, their genres, and who else appears in them.
func TestBrowsePerson(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := starred(t)
	b.open(api + "/?person=Michael+Caine")
	b.wait(pageTitle + ` === "Michael Caine"`)
	b.is(`document.querySelector(".facts").textContent`, "3 movies1999–2014Filter these movies")
	b.is(`[...document.querySelectorAll(".films h3")].map(a => a.textContent).join()`, "Interstellar,The Dark Knight Rises,The Cider House Rules")
	b.is(`[...document.querySelectorAll("#page .row")].map(a => a.querySelector(".name").textContent + a.querySelector(".n").textContent).join()`,
		"Drama2,Action1,Science Fiction1,Anne Hathaway2,Christian Bale1")
	b.shot("1 person")
	b.accessible("person")
	s.put(t, "new.json", []byte(`{"title": "Tenet", "year": 2020, "cast": ["Michael Caine"], "genres": ["Action"]}`))
	b.wait(`document.querySelectorAll(".films li").length === 4 && document.querySelector(".films h3").textContent === "Tenet"`)
	b.click(".facts a")
	b.wait(`location.search === "?cast=Michael+Caine" && ` + countText + ` === "4 of 7 movies"`)
	b.open(api + "/?person=Micheal+Caine")
	b.wait(pageTitle + ` === "No movie has “Micheal Caine” in its cast"`)
	b.click(".facts a") // a search, which suggests others
	b.wait(`document.querySelector(".meant a")?.textContent.startsWith("Michael Caine")`)
	b.shot("2 nobody")
}
