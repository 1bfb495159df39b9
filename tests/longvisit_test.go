package tests

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// before runs a script in each page that the tab opens from now on, before those of the page.
func (b *tab) before(script string) {
	b.Helper()
	run(b, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}))
}

// slowly serves an API whose movies and counts take three seconds.
func slowly(t *testing.T, api string) string {
	t.Helper()
	return between(t, api, func(_ http.ResponseWriter, r *http.Request) bool {
		if path := r.URL.Path; strings.HasPrefix(path, "/movies") || path == "/genres" || path == "/people" {
			time.Sleep(3 * time.Second)
		}
		return false
	}).URL
}

// TestBrowseSlowlyWhileChangesFlow: a page and the filters that take longer than the pause
// between two refreshes appear while movies change all the time.
func TestBrowseSlowlyWhileChangesFlow(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	front := slowly(t, api)
	flow := make(chan struct{})
	defer func() { <-flow }()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		defer close(flow)
		for n := 0; ctx.Err() == nil; n++ {
			s.put(t, fmt.Sprintf("flow-%d.json", n), fmt.Appendf(nil, `{"title": "Flow %d", "year": 2020, "cast": ["Ann 7"]}`, n))
			time.Sleep(200 * time.Millisecond)
		}
	}()
	waitFor(t, "changes", func() bool { return s.revision(t) > 905 })
	b.open(front + "/?person=Ann+7")
	b.wait(`document.querySelector("#page h2")?.textContent === "Ann 7"`)
	b.open(front + "/?genre=Drama")
	b.wait(idle + ` && document.getElementById("panel").classList.contains("ready")`)
}

// TestBrowseFastClicks: a second filter, chosen before the counts of the first are there, does
// not replace the first.
func TestBrowseFastClicks(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.open(slowly(t, api) + "/")
	b.wait(allFilms + ` && document.querySelectorAll("#cast a").length > 2 && document.querySelector("#genre [data-name=Drama]") !== null`)
	b.script(`document.querySelector("#genre [data-name=Drama]").click(); document.querySelector("#cast [data-name='Ann 0']").click()`)
	b.is(`location.search`, "?genre=Drama&cast=Ann+0")
	b.wait(idle + ` && ` + countText + ` === "8 of 900 movies"`)
}

// TestBrowseLiveChanges: what changes while somebody looks does not undo a choice, and comes
// to its place.
func TestBrowseLiveChanges(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	b.open(api + "/?genre=Drama")
	b.wait(live + ` && ` + countText + ` === "300 of 900 movies" && document.getElementById("panel").classList.contains("ready")`)

	// "none" stays chosen when the counts are drawn again.
	b.click(`[name=genre-way][value=_not]`)
	s.put(t, "new.json", []byte(`{"title": "New", "year": 2020, "genres": ["Drama"]}`))
	b.wait(countText + ` === "301 of 901 movies"`)
	b.wait(`document.querySelector("#genre [data-name=Drama] .n").textContent === "301"`)
	b.is(`document.querySelector("[name=genre-way]:checked").value`, "_not")

	// A movie that begins to match comes between those that are behind the first page.
	b.script(`document.getElementById("more").scrollIntoView()`)
	b.wait(idle + ` && ` + cards + ` >= 50`)
	older := evaluate[int](b, `Number(document.querySelectorAll("#list .card")[40].dataset.id) + 1`)
	row, err := s.db.Movie(t.Context(), int64(older))
	if err != nil {
		t.Fatal(err)
	}
	m, err := movie.ParseFields(row.Fields)
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "older.json", fmt.Appendf(nil, `{"title": %q, "year": %d, "genres": ["Drama"]}`, m.Title, m.Year))
	b.wait(countText + ` === "302 of 901 movies"`)
	b.wait(consistent + `([])`)

	// A deleted movie says so to those who hear it.
	s.put(t, "deleted.json", []byte(`{"title": "New", "year": 2020, "deleted": true}`))
	b.wait(`document.querySelector("#list .gone h3")?.textContent === "New was deleted"`)
}

// TestBrowseLongOpen: a list that stays open at its top keeps a bounded number of rows.
func TestBrowseLongOpen(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	b.open(api + "/")
	b.wait(live + ` && ` + allFilms)
	for n := 0; n < 240; n += 20 {
		var some strings.Builder
		for i := range 20 {
			fmt.Fprintf(&some, `{"title": "New %d", "year": 2020}`+"\n", n+i)
		}
		s.put(t, fmt.Sprintf("new-%d.ndjson", n), []byte(some.String()))
		b.wait(fmt.Sprintf(`%s.replace(",", "") === "%d movies"`, countText, 920+n))
	}
	b.wait(consistent + `([])`)
	if rows := evaluate[int](b, cards); rows > 220 {
		t.Errorf("the list has %d rows", rows)
	}
}

// TestBrowseBackToList: the link back to the list leads to the place that was left.
func TestBrowseBackToList(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.open(api + "/")
	b.wait(allFilms)
	b.script(`document.getElementById("more").scrollIntoView()`)
	b.wait(idle + ` && ` + cards + ` >= 50`)
	b.script(`scrollTo(0, 800)`)
	b.wait(`history.state?.y === 800`)
	b.hit(`[...document.querySelectorAll("#list h3 a")].find(a => a.getBoundingClientRect().top > 100)`)
	b.wait(`document.querySelector("#page h2") !== null && !document.getElementById("page").hidden`)
	b.hit(`document.querySelector(".back")`)
	b.wait(`!document.getElementById("results").hidden && scrollY === 800`)
}

// TestBrowseOddBrowsers: a browser without storage, one whose clock is wrong, and an address
// that nobody made.
func TestBrowseOddBrowsers(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	b.faulty = true // it opens a movie that does not exist
	b.before(`Object.defineProperty(window, "localStorage", { value: null });
		const real = Date.now; Date.now = () => real() + 3600_000;`)
	b.open(api + "/")
	b.wait(live + ` && ` + allFilms)
	b.is(`document.getElementById("badge").textContent.includes("silent")`, false)
	b.click("#look-table")
	b.wait(`document.getElementById("results").classList.contains("dense")`)
	b.open(api + "/?movie=..")
	b.wait(`document.querySelector("#page h2")?.textContent === "There is no movie .."`)
}

// TestBrowseDatabaseAway: while the API answers from its index alone, the page says that the
// database is away, and not that the API is.
func TestBrowseDatabaseAway(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	_, api := browsed(t)
	front := between(t, api, func(w http.ResponseWriter, r *http.Request) bool {
		away := r.URL.Path == "/status" // the only request of the list that needs the database
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	})
	b.faulty = true
	b.open(front.URL + "/")
	b.wait(allFilms + ` && document.getElementById("fresh").textContent.startsWith("database away")`)
	b.is(`document.getElementById("badge").dataset.state`, "late")
}

// TestBrowseEmpty: a page that was opened on an empty catalogue shows the first movies.
func TestBrowseEmpty(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s := newSite(t, databasetest.SQLite(t), newFolder(t))
	s.drain(t)
	s.start(t, "worker").logs(t, "worker starts")
	b.open(s.serve(t) + "/")
	b.wait(live + ` && ` + countText + ` === "No movies"`)
	s.put(t, "first.ndjson", []byte(`{"title": "First", "year": 2026, "genres": ["Drama"]} {"title": "Second", "year": 2026}`))
	b.wait(countText + ` === "2 movies" && ` + cards + ` === 2 && document.querySelectorAll("#genre li").length === 1`)
}

// TestBrowseMissedWhileLoading: changes that are too many to follow, while a list is loading, are
// in the list when it is shown.
func TestBrowseMissedWhileLoading(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	defer b.quiet()
	s, api := browsed(t)
	hold := make(chan struct{})
	front := between(t, api, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/movies" {
			return false
		}
		body := get(t, api+r.URL.RequestURI())
		<-hold // what is sent is old by then
		_, _ = w.Write(body)
		return true
	})
	release := sync.OnceFunc(func() { close(hold) })
	defer release()
	b.open(front.URL + "/")
	b.wait(live + ` && ` + idle + ` === false`)
	before := s.revision(t)
	var all strings.Builder
	for i := range 900 {
		fmt.Fprintf(&all, `{"title": "Film %d %s", "year": %d, "genres": ["War"]}`+"\n", i, []string{"Noir", "Blanc", "Bleu"}[i%7%3], 1950+i%70)
	}
	s.put(t, "war.ndjson", []byte(all.String()))
	b.wait(fmt.Sprintf(`performance.getEntriesByType("resource").some((r) => Number(new URL(r.name).searchParams.get("since")) >= %d)`, before+900))
	release()
	b.wait(idle + ` && ` + cards + ` >= 25 && [...document.querySelectorAll("#list .genres")].every((g) => g.textContent === "War")`)
}
