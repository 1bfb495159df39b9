package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"jpmovies/internal/movie"
)

// inRoute returns the selector of an element in a route's section of the page.
func inRoute(id, selector string) string { return "#" + id + " " + selector }

// asked waits until the response of a route has ended.
func (b *tab) asked(id string) {
	b.Helper()
	b.wait(fmt.Sprintf(`document.querySelector("%s")?.textContent.includes(" in ")`, inRoute(id, ".answer > p")))
}

// sameByCurl runs the curl command of a route and expects the bytes that the page shows.
func (b *tab) sameByCurl(id string) {
	b.Helper()
	shown := evaluate[string](b, fmt.Sprintf(`document.querySelector("%s").textContent`, inRoute(id, "pre")))
	line := evaluate[string](b, fmt.Sprintf(`document.querySelector("%s").textContent`, inRoute(id, ".command")))
	out, err := exec.Command("sh", "-c", line).Output()
	if err != nil || string(out) != shown || shown == "" {
		b.Errorf("%s: %v, curl gets %.300q, the page shows %.300q", line, err, out, shown)
	}
}

// TestDocs tries each route of the reference and runs its curl command.
func TestDocs(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	api := s.serve(t)
	var described struct {
		Paths map[string]struct {
			Get struct {
				OperationID string `json:"operationId"`
				Parameters  []struct{ Name, In, Description string }
			}
		}
	}
	if err := json.Unmarshal(get(t, api+"/openapi.json"), &described); err != nil {
		t.Fatal(err)
	}
	b.open(api + "/docs")
	b.wait(fmt.Sprintf(`document.querySelectorAll("#routes > details").length === %d`, len(described.Paths)))
	b.accessible("closed")
	for path, p := range described.Paths {
		id := p.Get.OperationID
		b.click(inRoute(id, "> summary"))
		b.is(fmt.Sprintf(`document.querySelector("%s").innerText.startsWith("GET %s")`, inRoute(id, "summary"), path), true)
		for _, parameter := range p.Get.Parameters {
			b.is(fmt.Sprintf(`document.getElementById("%s-%s").parentNode.innerText.includes(%q)`, id, parameter.Name, parameter.Description), true)
		}
		b.script(fmt.Sprintf(`document.querySelector("%s").requestSubmit()`, inRoute(id, "form")))
		b.asked(id)
		b.is(fmt.Sprintf(`document.querySelector("%s").textContent.startsWith("200 OK")`, inRoute(id, ".answer > p")), true)
		b.is(fmt.Sprintf(`document.querySelector("%s").innerText.includes("cache-control")`, inRoute(id, ".headers")), true)
		b.sameByCurl(id)
		b.click(inRoute(id, "> summary"))
	}
	b.quiet()
}

// TestDocsForm: filters that repeat, choices, names of all kinds, mistakes, and headers.
func TestDocsForm(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	s.put(t, "odd.json", []byte(`{"title": "It's \"odd\" & ü?", "year": 2001, "cast": ["O'Hara", "$(id)"], "genres": ["Drama"]}`))
	s.drain(t)
	api := s.serve(t)
	b.open(api + "/docs#movies")
	b.wait(`document.getElementById("movies")?.open`)
	b.do(chromedp.SendKeys("#movies-cast", "O'Hara"))
	b.do(chromedp.SendKeys("#movies-cast", kb.Enter+"$(id)"))
	b.do(chromedp.SendKeys("#movies-title", `It's "odd" & ü?`))
	b.script(`document.getElementById("movies-sort").value = "-year"; document.getElementById("movies-sort").dispatchEvent(new Event("input", { bubbles: true }))`)
	b.click("#movies form button")
	b.asked("movies")
	b.is(`document.querySelector("#movies pre").textContent.includes('"title": "It\'s \\"odd\\" & ü?"')`, true)
	b.is(`document.querySelector("#movies .headers").innerText.includes("total-count")`, true)
	b.full(desktop, "1 movies")
	b.accessible("an answer")
	b.sameByCurl("movies")

	b.quiet()
	b.do(chromedp.SendKeys("#movies-limit", "0"))
	b.click("#movies form button")
	b.wait(`document.querySelector("#movies .answer p").textContent.startsWith("400 Bad Request")`)
	b.is(`document.querySelector("#movies pre").textContent.includes("limit")`, true)
	b.shot("2 refused")
	b.is(`getComputedStyle(document.querySelector("#movies .command")).userSelect`, "all") // one click selects the line
}

// TestDocsStreams: the page stops a response that is endless, late or large, and says so.
func TestDocsStreams(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	var films strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&films, `{"title": "Long list %d", "year": 2000, "cast": ["Somebody with a long name", "Ünïcödé %d"]}`+"\n", i, i)
	}
	s.put(t, "many.ndjson", []byte(films.String()))
	s.drain(t)
	b.open(s.serve(t) + "/docs#export")
	b.wait(`document.getElementById("export")?.open`)
	b.click("#export form button")
	b.asked("export")
	b.is(`document.querySelector("#export .answer p").textContent.includes("Stopped after 256 KiB")`, true)
	b.is(`new TextEncoder().encode(document.querySelector("#export pre").textContent).length > 262100`, true)

	b.script(`const r = document.getElementById("changes"); r.open = true; r.scrollIntoView()`)
	set := func(name, value string) {
		b.script(fmt.Sprintf(`document.getElementById("changes-%s").value = %q`, name, value))
	}
	set("Accept", "text/event-stream")
	set("since", revisionOf(t, s))
	b.click("#changes form button")
	b.wait(`document.querySelector("#changes .answer p")?.textContent.includes("200 OK")`)
	// The page stops the response 10 s after the click. That is too short for a worker to start on a
	// slow machine, so the test commits the change itself.
	streamed := movie.Update{Identity: movie.Identity{Title: "Streamed", Year: 2026}, Stamp: movie.Stamp{Time: movie.At(time.Now()), Key: "streamed.json", Position: 1}}
	if _, err := s.db.Apply(t.Context(), movie.Batch{Updates: []movie.Update{streamed}}); err != nil {
		t.Fatal(err)
	}
	b.wait(`document.querySelector("#changes pre").textContent.includes("Streamed")`)
	b.asked("changes")
	b.is(`document.querySelector("#changes .answer p").textContent.includes("Stopped after 10 s")`, true)
	b.shot("stream")

	set("Accept", "")
	set("since", revisionOf(t, s))
	set("wait", "30s")
	b.click("#changes form button")
	b.wait(`!document.querySelector("#changes form button[type=button]").disabled && document.querySelector("#changes .answer p").textContent === "Waiting for the response"`)
	b.click("#changes form button[type=button]")
	b.wait(`document.querySelector("#changes .answer p").textContent === "No response. Stopped."`)
	b.quiet()
}

func revisionOf(t *testing.T, s *site) string {
	t.Helper()
	return fmt.Sprint(s.revision(t))
}

// TestDocsBelowAPath: the page works behind a proxy that serves it below a path, also if the
// API does not know the path.
func TestDocsBelowAPath(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"MOVIES_API_BASE_PATH=/films", "MOVIES_API_BASE_PATH="} {
		t.Run(setting, func(t *testing.T) {
			b := newTab(t, desktop)
			s := operated(t)
			s.env = append(s.env, setting)
			target, err := url.Parse(s.serve(t))
			if err != nil {
				t.Fatal(err)
			}
			front := httptest.NewServer(http.StripPrefix("/films", httputil.NewSingleHostReverseProxy(target)))
			defer front.Close()
			b.open(front.URL + "/films/docs#movie")
			b.wait(`document.getElementById("movie")?.open`)
			b.script(`document.querySelector("#movie form").requestSubmit()`)
			b.asked("movie")
			b.is(`document.querySelector("#movie .command").textContent.includes("/films/movies/10")`, true)
			b.sameByCurl("movie")
			b.quiet()
		})
	}
}

// TestDocsLooks captures the page on a phone, on a tablet, and in dark mode.
func TestDocsLooks(t *testing.T) {
	t.Parallel()
	s := operated(t)
	api := s.serve(t)
	for name, l := range map[string]look{"phone": phone, "tablet": {768, 1024, "light"}, "desktop": {1360, 900, "light"}, "dark": dark} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, l)
			b.open(api + "/docs#people")
			b.wait(`document.getElementById("people")?.open`)
			b.click("#people form button")
			b.asked("people")
			b.fits()
			b.full(l, "page")
			b.accessible(name)
			b.quiet()
		})
	}
}

// TestDocsAway: without the API the page reports the error.
func TestDocsAway(t *testing.T) {
	t.Parallel()
	b := newTab(t, desktop)
	s := operated(t)
	p := s.start(t, "api")
	b.open(p.apiOf(t) + "/docs#movies")
	b.wait(`document.getElementById("movies")?.open`)
	p.stop(t)
	b.click("#movies form button")
	b.wait(`document.querySelector("#movies .answer p")?.textContent.startsWith("No response")`)
}
