package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// feedPage is an answer to /changes.
type feedPage struct {
	Changes []struct {
		Revision int64  `json:"revision"`
		ID       int64  `json:"id"`
		Movie    *shown `json:"movie"`
	} `json:"changes"`
	Revision int64  `json:"revision"`
	NextURL  string `json:"next_url"`
}

func feed(t *testing.T, name string, got answer) (p feedPage) {
	t.Helper()
	if err := json.Unmarshal(got.body, &p); err != nil || got.status != http.StatusOK {
		t.Fatalf("%s: %d %v %s", name, got.status, err, got.body)
	}
	checkHeader(t, name, got, "Link", "<"+p.NextURL+`>; rel="next"`)
	checkHeader(t, name, got, "Cache-Control", "no-store")
	return p
}

// TestChanges checks the feed of the samples, byte for byte.
func TestChanges(t *testing.T) {
	change := func(revision, id int, movie string) string {
		return fmt.Sprintf(`{"revision": %d, "id": %d, "movie": %s}`, revision, id, movie)
	}
	all := []string{
		change(1, 1, one), change(2, 2, two), change(3, 3, "null"), change(4, 4, four), change(5, 5, five), change(6, 3, "null"),
	}
	piece := func(last int, next string, changes ...string) string {
		end := "\n],\n"
		if len(changes) == 0 {
			end = "],\n"
		} else {
			changes[0] = "\n" + changes[0]
		}
		return `{"changes": [` + strings.Join(changes, ",\n") + end + fmt.Sprintf("\"revision\": %d,\n\"next_url\": \"%s\"}\n", last, next)
	}
	eachCatalogue(t, func(t *testing.T, url string) {
		for path, want := range map[string]string{
			"/changes":                       piece(6, "/changes?since=6", all[0], all[1], all[2], all[3], all[4], all[5]),
			"/changes?since=0&limit=1000":    piece(6, "/changes?limit=1000&since=6", all[0], all[1], all[2], all[3], all[4], all[5]),
			"/changes?since=2&limit=2":       piece(4, "/changes?limit=2&since=4", all[2], all[3]),
			"/changes?since=4&limit=2":       piece(6, "/changes?limit=2&since=6", all[4], all[5]),
			"/changes?since=5&wait=1m":       piece(6, "/changes?since=6&wait=1m", all[5]),
			"/changes?since=6":               piece(6, "/changes?since=6"),
			"/changes?since=6&wait=1ms":      piece(6, "/changes?since=6&wait=1ms"),
			"/changes?since=%206&wait=0.01s": piece(6, "/changes?since=6&wait=0.01s"),
		} {
			got := ask(t, http.MethodGet, url+path)
			if string(got.body) != want {
				t.Errorf("%s is\n%s, want\n%s", path, got.body, want)
			}
			feed(t, path, got)
			checkAnswer(t, url, path, got)
			checkHeader(t, path, got, "Catalogue-Revision", "6")
			checkHeader(t, path, got, "Vary", "Accept | Accept-Encoding")
		}
		for path, detail := range map[string]string{
			"/changes?since=-1":                            `since is "-1", expected an integer from 0`,
			"/changes?since=x":                             `since is "x"`,
			"/changes?limit=0":                             `limit is "0", expected an integer from 1 to 1000`,
			"/changes?limit=1001":                          `limit is "1001"`,
			"/changes?wait=61s":                            `wait is "61s", expected a duration from 0s to 1m0s, such as 30s`,
			"/changes?wait=-1s":                            `wait is "-1s"`,
			"/changes?wait=30":                             `wait is "30"`,
			"/changes?wait=":                               "wait is empty",
			"/changes?sinse=3":                             "did you mean since?",
			"/changes?since=1&since=2":                     "since is given more than once",
			"/changes?genre=x":                             "known are lastEventId, limit, since, wait",
			"/genres?limit=1":                              "known are cast, cast_any, cast_not, genre, genre_any, genre_not, id, q, title, year, year_from, year_to",
			"/years?start=1":                               `unknown parameter "start"`,
			"/genres?genres=x":                             "did you mean genre?",
			"/years?year_to=1&year_from=2":                 "year_to is 1, which is before year_from, 2",
			"/people?sort=year":                            `unknown parameter "sort"`,
			"/people?nam=x":                                "did you mean name?",
			"/people?name=%21":                             "name is \"!\", expected at least one word",
			"/people?limit=101":                            `limit is "101"`,
			"/people?start=":                               "start is empty",
			"/suggest":                                     "q is missing",
			"/suggest?q=%21":                               "expected at least one word",
			"/suggest?q=a&limit=21":                        `limit is "21", expected an integer from 1 to 20`,
			"/suggest?q=a&genre=x":                         "known are limit, q",
			"/movies?sort=match":                           "give q, too",
			"/movies?sort=id":                              "expected -id, -year, match, title or year",
			"/movies?sort=year&start=77":                   "start is 77, which no movie has ever had as its id",
			"/movies?sort=title&start=9223372036854775807": "no movie has ever had",
			"/movies?id=0":                                 `id is "0"`,
			"/movies?id=1&id=":                             "id is empty",
			"/status?x=1":                                  "this request takes none",
			"/openapi.json?x=1":                            "this request takes none",
			"/export?limit=1":                              `unknown parameter "limit"`,
			"/export?start=1":                              `unknown parameter "start"`,
			"/export?format=xml":                           `format "xml" is no format, expected csv, ndjson or spreadsheet`,
			"/export?year_from=3&year_to=2":                "year_to is 2, which is before year_from, 3",
			"/movies?year_from=3&year_to=2":                "year_to is 2, which is before year_from, 3",
			"/movies?year_from=0":                          "expected an integer from 1 to 9999",
			"/movies?q=%21":                                "expected at least one word",
		} {
			got := ask(t, http.MethodGet, url+path)
			if p := checkProblem(t, path, got, http.StatusBadRequest); !strings.Contains(p.Detail, detail) {
				t.Errorf("%s: detail %q, want %q", path, p.Detail, detail)
			}
			checkAnswer(t, url, path, got)
		}
		for _, test := range []struct{ query, accept, header, name string }{
			{"since=7", "application/json", "", "since"}, {"since=7", "text/event-stream", "", "since"},
			{"since=1&lastEventId=7", "application/json", "", "lastEventId"}, {"lastEventId=7", "text/event-stream", "", "lastEventId"},
			{"since=1", "text/event-stream", "7", "Last-Event-ID"},
		} {
			got := ask(t, http.MethodGet, url+"/changes?"+test.query, "Accept", test.accept, "Last-Event-ID", test.header)
			p := checkProblem(t, test.query, got, http.StatusGone)
			if !strings.Contains(p.Detail, "the catalogue is at revision 6, before 7") || p.Parameter != test.name {
				t.Errorf("%s, Last-Event-ID %q: parameter %q: %s", test.query, test.header, p.Parameter, p.Detail)
			}
		}
	})
}

// TestChangesPruned: a request for pruned changes gets 410; one for the rest gets 200.
func TestChangesPruned(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		for i, m := range samples {
			apply(t, db, movie.Update{Identity: m.Identity, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(i + 1)}}})
		}
		url := serve(t, db, logless)
		if _, err := db.Prune(t.Context(), time.Now(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		for i, m := range samples[:2] {
			apply(t, db, movie.Update{Identity: m.Identity, Cast: []string{"New"}, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(i + 10)}}})
		}
		settle(t, url, db)
		for since, status := range []int{410, 410, 410, 410, 410, 200, 200, 200, 410} {
			for _, headers := range [][]string{nil, {"Accept", "text/event-stream"}, {"Accept", "text/event-stream", "Last-Event-ID", fmt.Sprint(since)}} {
				path := fmt.Sprint("/changes?since=", since)
				if len(headers) > 2 {
					path = "/changes"
				}
				method := http.MethodGet
				if headers != nil && status == http.StatusOK {
					method = http.MethodHead // a stream has no end
				}
				got := ask(t, method, url+path, headers...)
				if got.status != status {
					t.Errorf("%s %v: %d, want %d", path, headers, got.status, status)
				}
				if status == http.StatusGone {
					checkProblem(t, path, got, status)
				}
			}
		}
		p := feed(t, "/changes", ask(t, http.MethodGet, url+"/changes?since=5"))
		if len(p.Changes) != 2 || p.Changes[0].Revision != 6 || p.Changes[1].Movie.Cast[0] != "New" {
			t.Errorf("%+v", p)
		}
	})
}

// TestWait: the API answers at the first change, at the end of the wait, or when it shuts down,
// whichever comes first.
func TestWait(t *testing.T) {
	for name, test := range map[string]struct {
		query   string
		happens func(s *shelf, end func())
		changes int
		after   time.Duration // approximate
	}{
		"there is one":                  {"since=3&wait=1m", nil, 3, 0},
		"no wait":                       {"since=6", nil, 0, 0},
		"time is up":                    {"since=6&wait=1m", nil, 0, time.Minute},
		"time is up at 7 s":             {"since=6&wait=7s", nil, 0, 7 * time.Second},
		"change":                        {"since=6&wait=1m", func(s *shelf, _ func()) { s.put(9, &samples[0]) }, 1, 20 * time.Second},
		"end":                           {"since=6&wait=1m", func(_ *shelf, end func()) { end() }, 0, 20 * time.Second},
		"another process has seen more": {"since=8&wait=1m", func(s *shelf, _ func()) { s.put(9, nil) }, 1, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *shelf, a *api.API, end func()) {
				if strings.Contains(test.query, "=8") {
					time.Sleep(100 * time.Millisecond)
					s.put(7, &samples[0])
					s.put(8, &samples[0])
				}
				asked := time.Now()
				if test.happens != nil {
					time.AfterFunc(20*time.Second, func() { test.happens(s, end) })
				}
				p := feed(t, name, record(t, a, http.MethodGet, "/changes?"+test.query))
				if took := time.Since(asked); took < test.after || took > test.after+time.Second {
					t.Errorf("it took %s, want %s", took, test.after)
				}
				if len(p.Changes) != test.changes {
					t.Errorf("%d changes, want %d", len(p.Changes), test.changes)
				}
				synctest.Wait()
			})
		})
	}
}

// TestWaitAcrossARestore: a request that waits while an older copy of the catalogue is restored gets
// 410, also where that has reached the client's revision again.
func TestWaitAcrossARestore(t *testing.T) {
	for pause, detail := range map[time.Duration]string{time.Millisecond: "was replaced", 10 * time.Second: "revision 2, before 6"} {
		inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
			const restore = 10*time.Second + 60*time.Millisecond // between two looks
			time.AfterFunc(restore, func() { s.set(func() { s.feed = s.feed[:2] }) })
			time.AfterFunc(restore+pause, func() {
				for id := range int64(8) {
					s.put(20+id, &samples[0])
				}
			})
			got := record(t, a, http.MethodGet, "/changes?since=6&wait=1m")
			if p := checkProblem(t, "restored", got, http.StatusGone); p.Parameter != "since" || !strings.Contains(p.Detail, detail) {
				t.Errorf("parameter %q: %s, want %s", p.Parameter, p.Detail, detail)
			}
		})
	}
}

// TestWaitersShare: one read of a change serves all waiting requests.
func TestWaitersShare(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, _ func()) {
		answers := make(chan int)
		for range 100 {
			go func() {
				answers <- len(feed(t, "/changes", record(t, a, http.MethodGet, "/changes?since=6&wait=1m")).Changes)
			}()
		}
		synctest.Wait()
		s.count(reads...)
		s.put(9, &samples[0])
		for range 100 {
			if n := <-answers; n != 1 {
				t.Errorf("%d changes", n)
			}
		}
		if n := s.count(reads...); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestHugeChanges: a page ends early when its movies are huge. The next page continues after it.
func TestHugeChanges(t *testing.T) {
	s := &shelf{t: t}
	huge := samples[0]
	huge.Title = strings.Repeat("x", 100<<10)
	for id := range int64(350) {
		s.put(id+1, &huge)
	}
	a := start(t, s, logless)
	awaitLoaded(a)
	pages, next := 0, "/changes?limit=1000"
	for last := int64(0); last < 350; pages++ {
		got := record(t, a, http.MethodGet, next)
		p := feed(t, next, got)
		if p.Changes[0].Revision != last+1 || len(got.body) > movie.MaxBytes+101<<10 {
			t.Errorf("%s begins with %d and has %d bytes", next, p.Changes[0].Revision, len(got.body))
		}
		last, next = p.Revision, p.NextURL
	}
	if pages != 32 {
		t.Errorf("%d pages, want 32 of a megabyte", pages)
	}
	if p := feed(t, "small", record(t, start(t, stock(t), logless), http.MethodGet, "/changes?limit=1000")); len(p.Changes) != 6 {
		t.Errorf("%d changes", len(p.Changes))
	}
}

// TestManySmallChanges: small changes fill a page, however many reads it takes.
func TestManySmallChanges(t *testing.T) {
	s := &shelf{t: t}
	for id := range int64(1500) {
		s.put(id+1, &samples[1])
	}
	a := start(t, s, logless)
	for _, limit := range []int{15, 16, 17, 100, 999, 1000} {
		p := feed(t, "/changes", record(t, a, http.MethodGet, fmt.Sprint("/changes?limit=", limit)))
		if len(p.Changes) != limit || p.Revision != int64(limit) {
			t.Errorf("limit %d: %d changes up to %d", limit, len(p.Changes), p.Revision)
		}
	}
}

// TestHugePages: a page of huge movies is short and has a next_url. The pages return each movie
// once, and the last page has no next_url.
func TestHugePages(t *testing.T) {
	for _, n := range []int64{10, 11, 22, 25} { // 11 fill a page
		s := &shelf{t: t}
		huge := samples[0]
		huge.Title = strings.Repeat("x", 100<<10)
		for id := range n {
			s.put(id+1, &huge)
		}
		a := start(t, s, logless)
		awaitLoaded(a)
		want := n
		for next := "/movies?limit=100"; next != ""; {
			got := record(t, a, http.MethodGet, next)
			var page struct {
				Movies []shown
				Next   string `json:"next_url"`
			}
			if err := json.Unmarshal(got.body, &page); err != nil {
				t.Fatal(err)
			}
			if len(got.body) > movie.MaxBytes+101<<10 || len(page.Movies) == 0 {
				t.Errorf("%s has %d movies in %d bytes", next, len(page.Movies), len(got.body))
			}
			for _, m := range page.Movies {
				if m.ID != want {
					t.Errorf("movie %d, want %d", m.ID, want)
				}
				want--
			}
			next = page.Next
		}
		if want != 0 {
			t.Errorf("%d of %d movies are missing", want, n)
		}
	}
}

// TestChangesAfterEvents: the cache keeps a page after lastEventId apart from a page from the
// beginning.
func TestChangesAfterEvents(t *testing.T) {
	eachCatalogue(t, func(t *testing.T, url string) {
		for path, first := range map[string]int64{"/changes?lastEventId=5&wait=0s": 6, "/changes?since=4&lastEventId=3&wait=0s": 4, "/changes?wait=0s": 1} {
			for range 2 {
				if p := feed(t, path, ask(t, http.MethodGet, url+path)); len(p.Changes) == 0 || p.Changes[0].Revision != first {
					t.Errorf("%s begins with %+v, want revision %d", path, p.Changes, first)
				}
			}
		}
	})
}
