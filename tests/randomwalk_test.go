package tests

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// consistent is true when the page shows what its address names, and what the API answers to
// that. Otherwise it says what differs. Its argument holds the titles that were updated.
const consistent = `(async (updated) => {
	const $ = (id) => document.getElementById(id), params = new URLSearchParams(location.search);
	const view = params.has("movie") ? "movie" : params.has("person") ? "person" : "list";
	if (document.body.dataset.view !== view) return "the view is " + document.body.dataset.view;
	if ($("results").hidden !== (view !== "list") || $("page").hidden !== (view === "list")) return "the wrong part is hidden";
	if (!$("away").hidden) return "away";
	if (view === "movie") {
		const answer = await fetch("movies/" + params.get("movie")), movie = await answer.json(), title = $("page").querySelector("h2")?.textContent;
		if (answer.status === 404) return /was deleted|There is no movie/.test(title) || title;
		if (title !== movie.title) return title + " instead of " + movie.title;
		const names = [...$("page").querySelectorAll(".hero .genre, .people a")].map((a) => a.textContent), want = [...movie.genres, ...movie.cast];
		return names.join() === want.join() || names + " instead of " + want;
	}
	if (view === "person") {
		const name = params.get("person"), title = $("page").querySelector("h2")?.textContent;
		const answer = await fetch("movies?limit=1&cast=" + encodeURIComponent(name)), total = Number(answer.headers.get("Total-Count"));
		if (title !== name && !(total === 0 && title.includes("“" + name + "”"))) return title + " instead of " + name;
		const films = $("page").querySelectorAll(".films li").length;
		return films === Math.min(total, 1000) || films + " films instead of " + total;
	}
	if ($("list").getAttribute("aria-busy") !== "false") return "busy";
	const text = $("q").value, { typed } = window; // what was typed and not sent stays, at that address
	if (text !== (params.get("q") ?? "") && (text !== typed?.text || location.href !== typed.at)) return "the search box has " + text;
	if ($("sort").value !== (params.get("sort") ?? "-id")) return "the order is " + $("sort").value;
	const filters = [...params.keys()].some((name) => name !== "sort");
	if (filters !== document.querySelectorAll("#chips .chip").length > 0) return "chips";
	const cards = [...document.querySelectorAll("#list .card[data-id]")], want = [];
	let total = 0;
	params.set("limit", 100);
	for (let url = "movies?" + params; url && (want.length === 0 || want.length < cards.length);) {
		const answer = await fetch(url), body = await answer.json();
		total = Number(answer.headers.get("Total-Count"));
		want.push(...body.movies.map((movie) => movie.id));
		url = body.next_url && "movies" + new URL(body.next_url, location).search;
	}
	// A movie that has changed stays in the list, though it may no longer match.
	const shown = cards.map((card) => Number(card.dataset.id)).filter((id, i) => want.includes(id) || !updated.includes(cards[i].querySelector("h3 a").textContent));
	if (shown.length < Math.min(25, want.length)) return "only " + shown.length + " shown";
	const other = shown.findIndex((id, i) => id !== want[i]);
	if (other >= 0) return "row " + other + " of " + shown.length + " is " + shown[other] + ", in the API " + want[other];
	const count = parseInt($("count").textContent.replaceAll(",", "")) || 0;
	return count === total || count + " movies instead of " + total;
})`

// reachable marks what a visitor can use now, and returns its number.
const reachable = `(() => {
	const home = new URL("./", location).href;
	const all = [...document.querySelectorAll("a[href], button, input[type=radio]")].filter((e) =>
		e.checkVisibility({ visibilityProperty: true }) && !e.disabled && !e.inert &&
		(e.tagName !== "A" || (e.hash === "" && e.href.split("?")[0] === home)) &&
		(!document.querySelector("dialog[open]") || e.closest("dialog[open]")));
	window.reached = all;
	return all.length;
})()`

// visitor does random things on the page.
type visitor struct {
	*tab
	random *rand.Rand
	front  *proxy // between the browser and the API
	site   *site
	done   []string
	titles []string // of updated movies
}

// settle waits until the page is consistent.
func (v *visitor) settle() {
	v.Helper()
	titles, err := json.Marshal(v.titles)
	if err != nil {
		v.Fatal(err)
	}
	v.wait(consistent + "(" + string(titles) + " ?? [])")
}

// step does one thing, and says which.
func (v *visitor) step() (what string) {
	switch v.random.IntN(13) {
	case 0, 1, 2, 3, 4:
		n := evaluate[int](v.tab, reachable)
		if n == 0 {
			return "nothing to click"
		}
		i := v.random.IntN(n)
		what = evaluate[string](v.tab, fmt.Sprintf(`(() => { const e = reached[%d]; return e.id + " " + e.textContent.trim().slice(0, 40) + " " + (e.getAttribute("href") ?? ""); })()`, i))
		v.script(fmt.Sprintf(`reached[%d].focus(); reached[%d].click()`, i, i)) // as by Enter
		return "click " + what
	case 5, 6:
		words := []string{"noir", "film 7", "ann 3", "drama", "nothing at all", "fil", "a"}[v.random.IntN(7)]
		if evaluate[bool](v.tab, `document.querySelector("dialog[open]") !== null`) {
			return "no search in a dialog"
		}
		v.script(`document.getElementById("q").focus(); document.getElementById("q").select()`)
		v.do(chromedp.SendKeys("#q", words))
		keys := [][]string{{kb.Enter}, {kb.ArrowDown, kb.Enter}, {kb.Escape}, {kb.ArrowDown, kb.ArrowDown, kb.Escape}}[v.random.IntN(4)]
		v.press(keys...)
		v.script(`window.typed = { text: document.getElementById("q").value, at: location.href }`)
		return fmt.Sprintf("type %s and %d keys", words, len(keys))
	case 7:
		v.script(`if (navigation.currentEntry.index > 0) history.back()`)
		return "back"
	case 8:
		v.script(`history.forward()`)
		return "forward"
	case 9:
		v.script(`scrollTo(0, document.body.scrollHeight)`)
		return "scroll"
	case 10:
		v.do(chromedp.Reload())
		return "reload"
	case 11:
		v.front.set(fault{hole: true})
		v.front.drop()
		time.Sleep(time.Duration(v.random.IntN(400)) * time.Millisecond)
		v.front.set(fault{})
		v.front.drop() // else what the hole has swallowed is waited for
		return "offline"
	}
	if v.random.IntN(3) == 0 { // more than a page
		var many strings.Builder
		for i := range 60 {
			fmt.Fprintf(&many, `{"title": "Film %d of %d Bleu", "year": %d, "cast": ["Ann 3"], "genres": ["Drama"]}`+"\n", i, len(v.done), 1950+i)
		}
		v.site.put(v.T, fmt.Sprintf("%d.ndjson", len(v.done)), []byte(many.String()))
		return "60 new movies"
	}
	i := v.random.IntN(900)
	v.titles = append(v.titles, fmt.Sprintf("Film %d Noir", i))
	v.site.put(v.T, fmt.Sprintf("%d.json", len(v.done)), fmt.Appendf(nil,
		`{"title": "Film %d Noir", "year": %d, "cast": ["Ann %d"], "genres": ["Drama"], "deleted": %t}`, i, 1950+i%70, v.random.IntN(40), v.random.IntN(3) == 0))
	return "update of Film " + strconv.Itoa(i)
}

// TestRandomWalk does random things on the page: clicks, searches, back and forward, a network
// that fails, movies that change. After each, the page soon shows what its address names, as
// the API answers it; the focus is not lost, and the console is quiet.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	steps := 40
	if text := os.Getenv("MOVIES_TEST_STEPS"); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatalf("MOVIES_TEST_STEPS: %v", err)
		}
	}
	for name, l := range map[string]look{"desktop": desktop, "phone": phone} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			defer b.quiet()
			b.faulty = true
			s, api := browsed(t)
			front := newProxy(t, strings.TrimPrefix(api, "http://"))
			v := &visitor{tab: b, random: rand.New(rand.NewPCG(randomSeed(t), 0)), front: front, site: s}
			b.open("http://" + front.Addr().String() + "/")
			v.settle()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the last steps: %s", strings.Join(v.done[max(0, len(v.done)-15):], "; "))
				}
			})
			for range steps {
				v.done = append(v.done, v.step())
				v.settle()
				if last := v.done[len(v.done)-1]; strings.HasPrefix(last, "click") && evaluate[bool](b, `document.activeElement === document.body`) {
					b.Errorf("the focus is lost after: %s", last)
				}
			}
		})
	}
}
