package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestIndexAnswers checks answers that only the index can give, byte for byte.
func TestIndexAnswers(t *testing.T) {
	requests := []struct{ url, body, total string }{
		{"/movies", page("null", five, four, two, one), "4"},
		{"/movies?limit=1&genre=Politics", page("/movies?genre=Politics&limit=1&start=4", four), "2"},
		{"/movies?start=1", page("null"), "4"},
		{"/movies?sort=title", page("null", four, five, two, one), "4"},
		{"/movies?sort=title&limit=3", page("/movies?limit=3&sort=title&start=2", four, five, two), "4"},
		{"/movies?limit=3&sort=title&start=2", page("null", one), "4"},
		{"/movies?sort=title&start=3", page("null", two, one), "4"}, // after the deleted movie
		{"/movies?sort=year", page("null", four, two, five, one), "4"},
		{"/movies?sort=-year&limit=2", page("/movies?limit=2&sort=-year&start=1", five, one), "4"},
		{"/movies?sort=-year&limit=2&start=1", page("null", two, four), "4"},
		{"/movies?sort=-id&start=4", page("null", two, one), "4"},
		{"/movies?q=b&sort=match", page("null", five, two), "2"},
		{"/movies?q=h&sort=match&limit=1", page("null", two), "1"},
		{"/movies?id=4&id=1&id=3&id=77", page("null", four, one), "2"},
		{"/movies?cast_any=Chris+Ruf&cast_any=Sean+Connery", page("null", four, one), "2"},
		{"/movies?genre_any=Action&genre_any=Drama&cast_not=Mark+Zei", page("null", four), "1"},
		{"/movies?genre_not=Politics&genre_not=Nothing", page("null", five, two), "2"},
		{"/genres?year=2020", `{"genres": [
{"genre": "Drama", "movies": 1, "movies_url": "/movies?genre=Drama"},
{"genre": "Politics", "movies": 1, "movies_url": "/movies?genre=Politics"}
]}
`, "2"},
		{"/genres?title=none", "{\"genres\": []}\n", "0"},
		{"/years?genre=Politics", `{"years": [
{"year": 1962, "movies": 1, "movies_url": "/movies?year=1962"},
{"year": 2020, "movies": 1, "movies_url": "/movies?year=2020"}
]}
`, "2"},
		{"/people", `{"people": [
{"name": "Mark Zei", "movies": 2, "first_year": 2020, "last_year": 2020, "movies_url": "/movies?cast=Mark+Zei"},
{"name": "Chris Ruf", "movies": 1, "first_year": 2020, "last_year": 2020, "movies_url": "/movies?cast=Chris+Ruf"},
{"name": "Sean Connery", "movies": 1, "first_year": 1962, "last_year": 1962, "movies_url": "/movies?cast=Sean+Connery"}
],
"next_url": null}
`, "3"},
		{"/people?limit=1&genre=Politics&start=Chris+Ruf", `{"people": [
{"name": "Mark Zei", "movies": 1, "first_year": 2020, "last_year": 2020, "movies_url": "/movies?cast=Mark+Zei"}
],
"next_url": "/people?genre=Politics&limit=1&start=Mark+Zei"}
`, "3"},
		{"/people?name=zei+M&year_from=2000", `{"people": [
{"name": "Mark Zei", "movies": 2, "first_year": 2020, "last_year": 2020, "movies_url": "/movies?cast=Mark+Zei"}
],
"next_url": null}
`, "1"},
		{"/people?name=nobody", "{\"people\": [],\n\"next_url\": null}\n", "0"},
		{"/suggest?q=th", `{"suggestions": [
{"kind": "movie", "text": "The dawn", "year": 2020, "url": "/movies/1"}
]}
`, ""},
		{"/suggest?q=conery", `{"suggestions": [
{"kind": "person", "text": "Sean Connery", "movies": 1, "url": "/movies?cast=Sean+Connery"}
]}
`, ""},
		{"/suggest?q=polit&limit=1", `{"suggestions": [
{"kind": "genre", "text": "Politics", "movies": 2, "url": "/movies?genre=Politics"}
]}
`, ""},
		{"/suggest?q=zzzzz", "{\"suggestions\": []}\n", ""},
	}
	eachCatalogue(t, func(t *testing.T, url string) {
		for _, r := range requests {
			got := ask(t, http.MethodGet, url+r.url)
			if diff := cmp.Diff(r.body, string(got.body)); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", r.url, got.status, diff)
			}
			checkHeader(t, r.url, got, "Total-Count", r.total)
			checkFresh(t, r.url, got)
			checkAnswer(t, url, r.url, got)
		}
	})
}

// TestSortByMatch: sort=match puts the same title first, then titles with all words whole, then
// those with the last word as a prefix, and orders equal ones by id, the highest first.
func TestSortByMatch(t *testing.T) {
	s := &shelf{t: t}
	for i, title := range []string{"The Lion King", "Lion King", "Lion Kingdom", "King of the Lion", "LION: King!", "The Lion Kings", "Lioness King"} {
		s.put(int64(i+1), &movie.Movie{Identity: movie.Identity{Title: title, Year: 2000}})
	}
	a := start(t, s, logless)
	for _, limit := range []int{100, 1} {
		var got []int64
		for next := fmt.Sprintf("/movies?limit=%d&q=Lion+king&sort=match", limit); next != "" && len(got) < 10; {
			var page struct {
				Movies []shown
				Next   string `json:"next_url"`
			}
			if err := json.Unmarshal(record(t, a, http.MethodGet, next).body, &page); err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Movies {
				got = append(got, m.ID)
			}
			next = page.Next
		}
		if want := []int64{5, 2, 4, 1, 6, 3}; !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// gated is a shelf whose snapshot waits after its first piece until gate is closed.
type gated struct {
	*shelf
	gate chan struct{}
}

func (g gated) Snapshot(ctx context.Context, begin func(movie.Mark, int64) error, each func([]movie.State) error) error {
	return g.shelf.Snapshot(ctx, begin, func(s []movie.State) error {
		if err := each(s); err != nil {
			return err
		}
		select {
		case <-g.gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// growing is a shelf whose snapshot has ever more movies, until gate is closed.
type growing struct {
	*shelf
	gate chan struct{}
}

func (e growing) Snapshot(ctx context.Context, begin func(movie.Mark, int64) error, each func([]movie.State) error) error {
	return e.shelf.Snapshot(ctx, begin, func(s []movie.State) error {
		for {
			if err := each(s); err != nil {
				return err
			}
			select {
			case <-e.gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
			}
		}
	})
}

// TestStopWhileLoading: an API that stops does not wait for a load, also not for one that a request
// began.
func TestStopWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := growing{stock(t), make(chan struct{})}
		a := api.New(api.Options{Catalogue: e, Source: e, Staleness: time.Second, CacheBytes: 1 << 20, Exports: exports, Version: "1.2.3", Logger: slog.New(slog.DiscardHandler)})
		if got := record(t, a, http.MethodGet, "/movies"); got.status != http.StatusServiceUnavailable {
			t.Errorf("while loading: %d", got.status)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { a.Run(ctx); close(ended) }()
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("it waits for the load")
		}
		close(e.gate)
	})
}

// TestLoading: while the index loads, 503 responses and the readiness check tell the progress.
// During a later load the API serves the old index, and its answers age.
func TestLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stock(t)
		g := gated{s, make(chan struct{})}
		a, end := startWith(t, api.Options{Catalogue: s, Source: g, Staleness: time.Second, CacheBytes: 1 << 20})
		defer end()
		check := func(wantReady bool, want string) {
			t.Helper()
			ready, err := a.Loading()
			if text := fmt.Sprint(err); ready != wantReady || text != want {
				t.Errorf("ready: %t, %s; want %t, %s", ready, text, wantReady, want)
			}
		}
		const halfway = "loading the index: 2 of about 4 movies"
		check(false, halfway)
		for _, path := range []string{"/movies", "/movies/1", "/genres", "/people", "/suggest?q=a"} {
			asked := time.Now()
			got := record(t, a, http.MethodGet, path)
			checkHeader(t, path, got, "Retry-After", "5")
			if p := checkProblem(t, path, got, http.StatusServiceUnavailable); p.Detail != halfway+"; try again later" {
				t.Errorf("%s: %s", path, p.Detail)
			}
			if took := time.Since(asked); took > 4*time.Second {
				t.Errorf("%s: told after %s", path, took)
			}
		}
		checkProblem(t, "wrong", record(t, a, http.MethodGet, "/movies?limit=0"), http.StatusBadRequest)
		time.Sleep(time.Hour) // a slow load of the index is not an unreachable database
		check(false, halfway)
		close(g.gate)
		synctest.Wait()
		time.Sleep(time.Second)
		check(true, "<nil>")
		if got := record(t, a, http.MethodGet, "/movies/1"); string(got.body) != one+"\n" || got.header.Get("Age") != "" {
			t.Errorf("loaded: %d %s %v", got.status, got.body, got.header)
		}
		again := make(chan struct{})
		s.set(func() {
			s.feed = s.feed[:4]
			s.read = func(ctx context.Context, method string) error {
				if method == "Snapshot" {
					select {
					case <-again:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			}
		})
		time.Sleep(30 * time.Second)
		check(true, "loading the index again: 0 of about 0 movies")
		if got := record(t, a, http.MethodGet, "/movies/1"); string(got.body) != one+"\n" || got.header.Get("Age") < "28" {
			t.Errorf("loading again: %d %s %v", got.status, got.body, got.header)
		}
		close(again)
		time.Sleep(2 * time.Second)
		check(true, "<nil>")
		checkHeader(t, "loaded again", record(t, a, http.MethodGet, "/movies/1"), "Catalogue-Revision", "4")
	})
}

// TestSilentSource: the API gives up on a database that does not answer, and retries.
func TestSilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stock(t)
		var silent sync.Once
		s.read = func(ctx context.Context, method string) (err error) {
			if method == "Snapshot" {
				silent.Do(func() { <-ctx.Done(); err = ctx.Err() })
			}
			return err
		}
		var log bytes.Buffer
		a, end := startWith(t, api.Options{Catalogue: s, Staleness: time.Second, CacheBytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer end()
		time.Sleep(2 * time.Minute)
		if got := record(t, a, http.MethodGet, "/movies/1"); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.body)
		}
		if !strings.Contains(log.String(), "the database does not answer in time: nothing for 1m0s") {
			t.Errorf("the log does not say why:\n%s", log.String())
		}
	})
}

// TestIndexOff: without the index, the API answers lists from the database where SQL can. It
// refuses the others, if their parameters are right, and names the setting.
func TestIndexOff(t *testing.T) {
	test := func(t *testing.T, a *api.API) {
		for path, want := range map[string]string{
			"/movies":                               page("null", five, four, two, one),
			"/movies?limit=1&genre=Politics":        page("/movies?genre=Politics&limit=1&start=4", four),
			"/movies?start=2&sort=-id":              page("null", one),
			"/movies?year_from=1990&title=The+dawn": page("null", one),
			"/movies?cast=Mark+Zei&year=2020":       page("null", five, one),
			"/movies/1":                             one + "\n",
		} {
			got := record(t, a, http.MethodGet, path)
			if diff := cmp.Diff(want, string(got.body)); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", path, got.status, diff)
			}
			checkHeader(t, path, got, "Total-Count", "")
			checkHeader(t, path, got, "Catalogue-Revision", "6")
		}
		for _, path := range []string{
			"/movies?q=a", "/movies?sort=title", "/movies?sort=year", "/movies?id=1", "/movies?cast_any=a", "/movies?cast_not=a", "/movies?genre_any=a",
			"/movies?genre_not=a", "/genres", "/years?year=2020", "/people?name=a", "/suggest?q=a",
		} {
			got := record(t, a, http.MethodGet, path)
			if p := checkProblem(t, path, got, http.StatusNotImplemented); !strings.Contains(p.Detail, "MOVIES_API_INDEX") {
				t.Errorf("%s: %s", path, p.Detail)
			}
			checkHeader(t, path, got, "Catalogue-Revision", "6")
		}
		for _, path := range []string{"/movies?sort=x", "/genres?limit=1", "/suggest", "/people?q=!"} {
			checkProblem(t, path, record(t, a, http.MethodGet, path), http.StatusBadRequest)
		}
		checkProblem(t, "/movies/3", record(t, a, http.MethodGet, "/movies/3"), http.StatusNotFound)
		for _, path := range []string{"/export?genre=Politics", "/changes", "/movies/1/history", "/status"} {
			if got := record(t, a, http.MethodGet, path); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
		if ready, err := a.Loading(); !ready || err != nil {
			t.Errorf("ready: %t, %v", ready, err)
		}
	}
	t.Run("memory", func(t *testing.T) { test(t, start(t, withoutIndex{stock(t)}, logless)) })
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		applySamples(t, db)
		test(t, start(t, withoutIndex{db}, logless))
	})
}

// asked are the requests of TestSameAnswers. All matches fit on one page.
var asked = []string{
	"/movies?limit=100", "/movies?limit=100&sort=title", "/movies?genre=A&limit=100&sort=-year", "/movies?cast_any=x&cast_any=y&genre_not=B&limit=100",
	"/movies?limit=100&q=film+1", "/genres", "/genres?cast=x", "/years?genre_any=A&genre_any=B", "/people", "/people?genre=A", "/suggest?q=fi",
}

// labelled is an answer with its Catalogue-Revision.
type labelled struct{ path, revision, body string }

// TestSameAnswers: while a worker commits, two API processes return the same bytes for the same
// revision. The answers equal the catalogue at that revision.
func TestSameAnswers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		history := map[string][]movie.Movie{"0": nil} // by revision
		var mu sync.Mutex
		answers := [2][]labelled{}
		at := [2]map[string]int{{}, {}} // number of answers by revision
		ctx, stop := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for i := range answers {
			a := start(t, db, logless)
			asking.Go(func() {
				for n := i; ctx.Err() == nil; n++ {
					path := asked[n%len(asked)]
					got := record(t, a, http.MethodGet, path)
					mu.Lock()
					answer := labelled{path, got.header.Get("Catalogue-Revision"), string(got.body)}
					answers[i] = append(answers[i], answer)
					at[i][answer.revision]++
					mu.Unlock()
				}
			})
		}
		random := rand.New(rand.NewPCG(41, 42))
		records := map[movie.Identity]movie.Record{}
		for i := range 60 {
			var updates []movie.Update
			for range 1 + random.IntN(10) {
				u := movie.Update{
					Identity: movie.Identity{Title: fmt.Sprint("Film ", random.IntN(20)), Year: 2000 + random.IntN(3)}, Deleted: random.IntN(4) == 0,
					Cast: []string{"x", "y", "z"}[random.IntN(3):], Genres: []string{"A", "B"}[random.IntN(2):], Stamp: movie.Stamp{Time: movie.Time{Sec: int64(i)}, Position: int64(len(updates))},
				}
				updates = append(updates, u)
				if r, known := records[u.Identity]; known {
					records[u.Identity] = movie.Merge(r, u.Record())
				} else {
					records[u.Identity] = u.Record()
				}
			}
			apply(t, db, updates...)
			revision, err := db.Revision(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var visible []movie.Movie
			for _, r := range records {
				if r.Visible() {
					visible = append(visible, r.Movie())
				}
			}
			label := strconv.FormatInt(revision, 10)
			history[label] = visible
			if i%6 > 0 {
				time.Sleep(staleness)
				continue
			}
			allAsked := func() bool { // of both APIs, at this revision
				mu.Lock()
				defer mu.Unlock()
				return min(at[0][label], at[1][label]) >= len(asked)
			}
			for began := time.Now(); !allAsked(); time.Sleep(time.Millisecond) {
				if time.Since(began) > time.Minute {
					t.Fatalf("the APIs do not come to revision %d", revision)
				}
			}
		}
		stop()
		asking.Wait()
		first := map[[2]string]string{}
		for _, a := range answers[0] {
			first[[2]string{a.path, a.revision}] = a.body
			checkAt(t, a, history)
		}
		same, revisions := 0, map[string]bool{}
		for _, a := range answers[1] {
			checkAt(t, a, history)
			if body, both := first[[2]string{a.path, a.revision}]; both {
				same++
				revisions[a.revision] = true
				if body != a.body {
					t.Errorf("%s at revision %s is\n%s and\n%s", a.path, a.revision, body, a.body)
				}
			}
		}
		t.Logf("%d answers of both at %d revisions", same, len(revisions))
		if len(revisions) < 5 {
			t.Error("too few answers to compare")
		}
	})
}

// checkAt compares an answer with the catalogue at the answer's revision.
func checkAt(t *testing.T, a labelled, history map[string][]movie.Movie) {
	t.Helper()
	movies, known := history[a.revision]
	if !known {
		t.Errorf("%s is of revision %s, at which no commit ended", a.path, a.revision)
		return
	}
	path, raw, _ := strings.Cut(a.path, "?")
	if path == "/suggest" {
		return
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"limit", "name", "sort", "start"} {
		values.Del(name)
	}
	q, err := api.ParseFilter(values.Encode())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, m := range movies {
		values := map[string][]string{"/movies": {fmt.Sprint(m.Title, m.Year, m.Cast, m.Genres)}, "/genres": m.Genres, "/years": {strconv.Itoa(m.Year)}, "/people": m.Cast}
		if q.Matches(0, m) {
			for _, v := range values[path] {
				want[v]++
			}
		}
	}
	var body struct {
		Movies                []shown
		Genres, Years, People []struct {
			Genre, Name  string
			Year, Movies int
		}
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, m := range body.Movies {
		got[fmt.Sprint(m.Title, m.Year, m.Cast, m.Genres)]++
	}
	for _, c := range slices.Concat(body.Genres, body.Years, body.People) {
		value := c.Genre + c.Name
		if c.Year != 0 {
			value = strconv.Itoa(c.Year)
		}
		got[value] += c.Movies
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s at revision %s, want -, got +: %s", a.path, a.revision, diff)
	}
}

// TestIndexMetrics: the metrics of the index have the right values.
func TestIndexMetrics(t *testing.T) {
	got := gathered(t, stock(t))
	for name, want := range map[string]float64{"movies_index_movies": 4, "movies_index_loaded_movies": 5, "movies_api_revision": 6} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v: %v", name, got[name], want, slices.Sorted(maps.Keys(got)))
		}
	}
	if _, told := got["movies_index_load_seconds"]; !told {
		t.Error("movies_index_load_seconds is missing")
	}
	if got := gathered(t, withoutIndex{stock(t)}); got["movies_api_revision"] != 6 || got["movies_index_movies"] != 0 {
		t.Errorf("without an index: %v", got)
	}
}

func gathered(t *testing.T, catalogue api.Catalogue) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	startWith(t, api.Options{Catalogue: catalogue, Staleness: staleness, CacheBytes: 1 << 20, Metrics: registry})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	return values
}
