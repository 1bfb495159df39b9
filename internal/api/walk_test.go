package api_test

import (
	gocmp "cmp"
	"context"
	"database/sql"
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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// The names are few, so that queries match movies, and odd, so that a database that confuses two
// of them is detected.
var (
	oddTitles = []string{
		"007", "7", "7.0", "a", "a ", "A", "\u00e4", "e\u0301", "\u00e9", "%", "_", `\`, `"q"`, "x' OR 1=1 --", "\U0001f3ac", "\U0001f3ad",
		"\u2028", "\x01", "?", "null", "\u65e5\u672c",
	}
	oddNames  = []string{"Ann Lee", "ann lee", "Ann Lee ", "\u00c5", "A\u030a", "A", "7", "07", "%", "O'Neil", `\`, "\U0001f3ac"}
	oddGenres = []string{"Drama", "drama", "Dr\u00e1ma", "Science Fiction", "\U0001f3ac"}
)

const walkYears = 3 // from 2000 on

// TestWalk changes a catalogue at random. After each change it walks through the results of random
// queries, page by page, and compares them with a slow search through a model.
func TestWalk(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		w := &walker{
			T: t, db: cataloguetest.Open(t, o), random: rand.New(rand.NewPCG(11, 12)),
			records: map[movie.Identity]movie.Record{}, known: map[int64]movie.Identity{}, seen: map[string]int{},
		}
		w.url = serve(t, w.db, slog.DiscardHandler)
		raw := databasetest.Raw(t, o)
		w.walk(query{sort: movie.SortNewest}) // of an empty catalogue
		for range 10 {
			w.change()
			w.learn(raw)
			settle(t, w.url, w.db)
			w.checkCounts(query{})
			for range 40 {
				q := w.query()
				w.walk(q)
				w.checkCounts(q)
				w.export(q)
			}
		}
		t.Log(w.seen)
		for _, kind := range []string{"nothing", "one page", "more pages", "full last page", "by title", "by year", "by cast", "by genre", "by years", "by words", "by ids", "by any", "by none", "by all",
			"sort -id", "sort year", "sort -year", "sort title", "sort match"} {
			if w.seen[kind] == 0 {
				t.Errorf("no walk was of the kind %q", kind)
			}
		}
	})
}

type walker struct {
	*testing.T
	db      *catalogue.Catalogue
	url     string
	random  *rand.Rand
	records map[movie.Identity]movie.Record // all applied updates
	movies  map[int64]movie.Movie           // the visible movies
	known   map[int64]movie.Identity        // movies that were visible once; a sorted list can start only after these
	highest int64                           // the highest id
	ids     map[int64]bool                  // of all rows, also of movies never visible
	time    int64
	seen    map[string]int // kinds of walks so far; none may be missing
}

// change applies some updates to database and model.
func (w *walker) change() {
	var updates []movie.Update
	for range 1 + w.random.IntN(40) {
		w.time++
		u := movie.Update{
			Identity: movie.Identity{Title: w.one(oddTitles), Year: 2000 + w.random.IntN(walkYears)},
			Cast:     w.some(oddNames, 6), Genres: w.some(oddGenres, 4), Deleted: w.random.IntN(5) == 0,
			Stamp: movie.Stamp{Time: movie.Time{Sec: w.time}},
		}
		updates = append(updates, u)
		r, known := w.records[u.Identity]
		if known {
			w.records[u.Identity] = movie.Merge(r, u.Record())
		} else {
			w.records[u.Identity] = u.Record()
		}
	}
	apply(w.T, w.db, updates...)
}

// learn reads the ids that the database assigned.
func (w *walker) learn(raw *sql.DB) {
	w.movies, w.ids = map[int64]movie.Movie{}, map[int64]bool{}
	rows, err := raw.QueryContext(w.Context(), "SELECT id, title, year FROM movie")
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var i movie.Identity
		if err := rows.Scan(&id, &i.Title, &i.Year); err != nil {
			w.Fatal(err)
		}
		w.highest, w.ids[id] = max(w.highest, id), true
		if r := w.records[i]; r.Visible() {
			w.movies[id], w.known[id] = r.Movie(), i
		}
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
}

func (w *walker) one(of []string) string { return of[w.random.IntN(len(of))] }

// some returns 0 to most-1 of the names, each at most once; rarely nil.
func (w *walker) some(names []string, most int) []string {
	if w.random.IntN(8) == 0 {
		return nil
	}
	chosen := []string{}
	for _, i := range w.random.Perm(len(names))[:w.random.IntN(most)] {
		chosen = append(chosen, names[i])
	}
	return chosen
}

// query is a query of a walk: the pieces of the query string, and their meaning.
type query struct {
	movie.Filter
	sort         movie.Sort
	limit, start int64 // 0: not given
	pieces       []string
}

func (q *query) give(name, value string) {
	q.pieces = append(q.pieces, name+"="+url.QueryEscape(value))
}

// filters returns the query string without limit, start and sort.
func (q *query) filters() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(q.pieces), func(p string) bool {
		return strings.HasPrefix(p, "limit=") || strings.HasPrefix(p, "start=") || strings.HasPrefix(p, "sort=")
	}), "&")
}

// query returns a random query. About half of them use the values of a visible movie, so that they
// match something.
func (w *walker) query() query {
	q := query{sort: movie.SortNewest}
	rarely := 4
	if w.random.IntN(6) == 0 { // all filters at once
		rarely = 1
	}
	about := movie.Movie{Identity: movie.Identity{Title: w.one(oddTitles), Year: 2000 + w.random.IntN(walkYears+1)}, Cast: oddNames, Genres: oddGenres}
	if ids := matching(w.movies, movie.Filter{}); len(ids) > 0 && w.random.IntN(2) == 0 {
		about = w.movies[ids[w.random.IntN(len(ids))]]
	}
	if w.random.IntN(rarely) == 0 {
		q.Title = movie.Clean(about.Title)
		if q.Title == "" { // the title is U+2028 alone
			q.Title = "a"
		}
		q.give("title", q.Title)
	}
	if w.random.IntN(rarely) == 0 {
		q.Year = about.Year
		q.give("year", strconv.Itoa(q.Year))
	}
	if w.random.IntN(rarely) == 0 {
		q.YearFrom = max(1, about.Year-w.random.IntN(2))
		q.give("year_from", strconv.Itoa(q.YearFrom))
	}
	if w.random.IntN(rarely) == 0 {
		q.YearTo = max(q.YearFrom, about.Year)
		q.give("year_to", strconv.Itoa(q.YearTo))
	}
	if words := movie.Words(about.Title); w.random.IntN(rarely) == 0 && len(words) > 0 {
		w.askWords(&q, words)
	}
	if w.random.IntN(min(rarely, 2)) == 0 {
		q.Cast = w.ask(&q, "cast", about.Cast)
	}
	if w.random.IntN(min(rarely, 2)) == 0 {
		q.Genres = w.ask(&q, "genre", about.Genres)
	}
	w.askMore(&q, about)
	if w.random.IntN(4) > 0 {
		q.limit = []int64{1, 2, 3, 5, 8, 100}[w.random.IntN(6)]
		q.give("limit", strconv.FormatInt(q.limit, 10))
	}
	if w.random.IntN(3) == 0 {
		q.start = 1 + w.random.Int64N(w.highest+3)
		if q.sort != movie.SortNewest { // other orders start only after a known movie
			q.start = w.anyKnown()
		}
		q.give("start", strconv.FormatInt(q.start, 10))
	}
	w.random.Shuffle(len(q.pieces), func(i, j int) { q.pieces[i], q.pieces[j] = q.pieces[j], q.pieces[i] })
	return q
}

// askMore adds conditions that only the index supports, and an order.
func (w *walker) askMore(q *query, about movie.Movie) {
	if w.random.IntN(6) == 0 {
		q.CastAny = w.ask(q, "cast_any", append(about.Cast, w.one(oddNames)))
	}
	if w.random.IntN(6) == 0 {
		q.GenresAny = w.ask(q, "genre_any", append(about.Genres, w.one(oddGenres)))
	}
	if w.random.IntN(6) == 0 {
		q.CastNot = w.ask(q, "cast_not", oddNames)
	}
	if w.random.IntN(6) == 0 {
		q.GenresNot = w.ask(q, "genre_not", oddGenres)
	}
	if w.random.IntN(6) == 0 {
		for range 1 + w.random.IntN(20) {
			q.IDs = append(q.IDs, w.anyKnown())
			q.give("id", strconv.FormatInt(q.IDs[len(q.IDs)-1], 10))
		}
	}
	orders := []movie.Sort{movie.SortNewest, movie.SortYear, movie.SortLastYear, movie.SortTitle}
	if len(q.Words) > 0 {
		orders = append(orders, movie.SortMatch, movie.SortMatch)
	}
	if w.random.IntN(2) == 0 {
		q.sort = orders[w.random.IntN(len(orders))]
		q.give("sort", string(q.sort))
	}
}

func (w *walker) anyKnown() int64 {
	ids := slices.Sorted(maps.Keys(w.known))
	return ids[w.random.IntN(len(ids))]
}

// order compares movies in the order of a query.
func (w *walker) order(q query) func(a, b int64) int {
	return func(a, b int64) int {
		x, y, c := w.known[a], w.known[b], 0
		switch q.sort {
		case movie.SortYear:
			c = gocmp.Compare(x.Year, y.Year)
		case movie.SortLastYear:
			c = gocmp.Compare(y.Year, x.Year)
		case movie.SortTitle:
			c = gocmp.Compare(movie.TitleKey(x.Title), movie.TitleKey(y.Title))
		case movie.SortMatch:
			c = gocmp.Compare(q.Match(x.Title), q.Match(y.Title))
		case movie.SortNewest:
		}
		return gocmp.Or(c, gocmp.Compare(b, a))
	}
}

// ask adds a filter by up to three of the names.
func (w *walker) ask(q *query, parameter string, names []string) (asked []string) {
	if len(names) == 0 {
		return nil
	}
	for range 1 + w.random.IntN(3) {
		name := w.one(names)
		asked = append(asked, movie.Clean(name))
		q.give(parameter, name+[]string{"", " "}[w.random.IntN(2)])
	}
	return asked
}

// askWords asks for the words in random order, the last one as a prefix.
func (w *walker) askWords(q *query, words []string) {
	w.random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	last := []rune(words[len(words)-1])
	words[len(words)-1] = string(last[:1+w.random.IntN(len(last))])
	text := strings.Join(words, []string{" ", "-", ", "}[w.random.IntN(3)])
	if w.random.IntN(2) == 0 {
		text = strings.ToUpper(text)
	}
	q.Words = movie.Words(text)
	q.give("q", text)
}

// shown is a movie in an answer.
type shown struct {
	ID      int64    `json:"id"`
	Title   string   `json:"title"`
	Year    int      `json:"year"`
	Cast    []string `json:"cast"`
	Genres  []string `json:"genres"`
	SelfURL string   `json:"self_url"`
}

// walk follows next_url to the end and compares all pages with the model.
func (w *walker) walk(q query) {
	w.Helper()
	want := []shown{}
	all, order := matching(w.movies, q.Filter), w.order(q)
	slices.SortFunc(all, order)
	for _, id := range all {
		if m := w.movies[id]; q.start == 0 || order(id, q.start) > 0 {
			want = append(want, shown{id, m.Title, m.Year, m.Cast, m.Genres, fmt.Sprint("/movies/", id)})
		}
	}
	limit := int(q.limit)
	if limit == 0 {
		limit = 25
	}
	pages := max(1, (len(want)+limit-1)/limit) // so the last page is empty only if there are no results
	got := []shown{}
	path := "/movies?" + strings.Join(q.pieces, "&")
	for n := 1; ; n++ {
		movies, next, total := w.page(path)
		got = append(got, movies...)
		if total != strconv.Itoa(len(all)) {
			w.Errorf("%s: Total-Count is %q, want %d", path, total, len(all))
		}
		if n < pages && len(movies) != limit {
			w.Errorf("%s: %d movies on page %d of %d, want %d", path, len(movies), n, pages, limit)
		}
		if (next == nil) != (n >= pages) {
			w.Fatalf("%s: next_url on page %d of %d: %v", path, n, pages, next)
		}
		if next == nil {
			break
		}
		w.checkNext(path, *next, movies[len(movies)-1].ID)
		path = *next
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Fatalf("%v: want -, got +: %s", q, diff)
	}
	w.count(q, len(want), limit)
}

// export compares one export of all results with the model.
func (w *walker) export(q query) {
	w.Helper()
	want := map[int64]shown{}
	for _, id := range matching(w.movies, q.Filter) {
		m := w.movies[id]
		want[id] = shown{id, m.Title, m.Year, m.Cast, m.Genres, fmt.Sprint("/movies/", id)}
	}
	path := "/export?" + q.filters()
	lines := exported(w.T, ask(w.T, http.MethodGet, w.url+path).body)
	records := exportedCSV(w.T, ask(w.T, http.MethodGet, w.url+path+"&format=csv").body)
	for name, got := range map[string]map[int64]shown{"NDJSON": lines, "CSV": records} {
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			w.Errorf("%s as %s: want -, got +: %s", path, name, diff)
		}
	}
}

// checkCounts compares genres, years, people and status with the model.
func (w *walker) checkCounts(q query) {
	w.Helper()
	filters := q.filters()
	ids := matching(w.movies, q.Filter)
	genres, years, people := map[string]int{}, map[string]int{}, map[string]int{}
	for _, id := range ids {
		m := w.movies[id]
		years[strconv.Itoa(m.Year)]++
		for _, g := range m.Genres {
			genres[g]++
		}
		for _, name := range m.Cast {
			people[name]++
		}
	}
	for _, c := range []struct {
		path, list, name string
		want             map[string]int
		total            int
	}{
		{"/genres?", "genres", "genre", genres, len(ids)}, {"/years?", "years", "year", years, len(ids)},
		{"/people?limit=100&", "people", "name", people, len(people)},
	} {
		answer := ask(w.T, http.MethodGet, w.url+c.path+filters)
		checkHeader(w.T, c.path+filters, answer, "Total-Count", strconv.Itoa(c.total))
		var body map[string]any
		if err := json.Unmarshal(answer.body, &body); err != nil {
			w.Fatal(err)
		}
		got := map[string]int{}
		for _, one := range body[c.list].([]any) {
			counted := one.(map[string]any)
			got[fmt.Sprint(counted[c.name])] += int(counted["movies"].(float64))
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			w.Errorf("%s%s: want -, got +: %s", c.path, filters, diff)
		}
	}
	var status struct{ Movies int }
	if err := json.Unmarshal(ask(w.T, http.MethodGet, w.url+"/status").body, &status); err != nil || status.Movies != len(w.movies) {
		w.Errorf("status counts %d movies, want %d: %v", status.Movies, len(w.movies), err)
	}
}

func (w *walker) page(path string) (movies []shown, next *string, total string) {
	w.Helper()
	got := ask(w.T, http.MethodGet, w.url+path)
	checkSafe(w.T, path, got)
	var body struct {
		Movies  []shown `json:"movies"`
		NextURL *string `json:"next_url"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil || got.status != http.StatusOK || body.Movies == nil {
		w.Fatalf("%s: %d, %v: %s", path, got.status, err, got.body)
	}
	for _, m := range body.Movies {
		if m.Cast == nil || m.Genres == nil {
			w.Errorf("%s: a list is null in %+v", path, m)
		}
	}
	return body.Movies, body.NextURL, got.header.Get("Total-Count")
}

// checkNext checks that next keeps the given parameters, cleaned, in alphabetical order, with
// start set to the last id of the page.
func (w *walker) checkNext(path, next string, last int64) {
	w.Helper()
	base, raw, _ := strings.Cut(next, "?")
	_, before, _ := strings.Cut(path, "?")
	want, err := url.ParseQuery(before)
	if err != nil {
		w.Fatal(err)
	}
	for _, values := range want {
		for i := range values {
			values[i] = movie.Clean(values[i])
		}
	}
	want.Set("start", strconv.FormatInt(last, 10))
	got, err := url.ParseQuery(raw)
	if diff := cmp.Diff(want, got); base != "/movies" || err != nil || diff != "" {
		w.Errorf("next of %s is %s: %v %s", path, next, err, diff)
	}
	pieces := strings.Split(raw, "&")
	if !slices.IsSortedFunc(pieces, func(a, b string) int {
		return strings.Compare(strings.Split(a, "=")[0], strings.Split(b, "=")[0])
	}) {
		w.Errorf("next of %s is %s, which is not in alphabetical order", path, next)
	}
}

func (w *walker) count(q query, found, limit int) {
	for kind, so := range map[string]bool{
		"nothing": found == 0, "one page": found > 0 && found <= limit, "more pages": found > limit,
		"full last page": found > 0 && found%limit == 0,
		"by title":       found > 0 && q.Title != "", "by year": found > 0 && q.Year != 0,
		"by cast": found > 0 && len(q.Cast) > 1, "by genre": found > 0 && len(q.Genres) > 1,
		"by years": found > 0 && q.YearFrom != 0 && q.YearTo != 0, "by words": found > 0 && q.Words != nil,
		"by ids": found > 0 && q.IDs != nil, "by any": found > 0 && (q.CastAny != nil || q.GenresAny != nil),
		"by none": found > 0 && (q.CastNot != nil || q.GenresNot != nil), "sort " + string(q.sort): found > 0,
		"by all": found > 0 && q.Title != "" && q.Year != 0 && q.Cast != nil && q.Genres != nil,
	} {
		if so {
			w.seen[kind]++
		}
	}
}

// TestWalkWhileWriting walks while a worker commits. It sees every movie that matches all the time
// exactly once, and no movie twice.
func TestWalkWhileWriting(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		random := rand.New(rand.NewPCG(31, 32))
		stay := func(i, time int) movie.Update {
			return movie.Update{
				Identity: movie.Identity{Title: fmt.Sprint("Stays put ", i), Year: 1990 + i%3}, Genres: []string{"Drama", "War"},
				Cast: []string{"Ann", "Bob", fmt.Sprint(time)}, Stamp: movie.Stamp{Time: movie.Time{Sec: int64(time)}},
			}
		}
		stir := func(time int) (updates []movie.Update) {
			for range 20 {
				u := stay(1000+random.IntN(200), time)
				u.Deleted = random.IntN(2) == 0
				updates = append(updates, u, stay(random.IntN(120), time)) // one appears and disappears, one changes
			}
			return updates
		}
		for i := range 120 { // among movies that appear and disappear
			apply(t, db, append(stir(1), stay(i, 1))...)
		}
		url := serve(t, db, slog.DiscardHandler)
		var writing sync.WaitGroup
		ctx, end := context.WithCancel(t.Context())
		defer writing.Wait()
		defer end()
		writing.Go(func() {
			for time := 2; ctx.Err() == nil; time++ {
				if _, err := db.Apply(context.WithoutCancel(ctx), movie.Batch{Updates: stir(time)}); err != nil {
					t.Error(err)
				}
			}
		})
		for _, q := range []string{
			"", "sort=title", "sort=-year&genre=War", "year_from=1990&year_to=1992", "q=put+st", "genre=Drama&genre=War&cast=Ann&cast=Bob", "genre=War&q=stays+p&year_from=1990&cast=Bob",
		} {
			seen := map[string]int{}
			w := walker{T: t, url: url}
			for path := fmt.Sprintf("/movies?limit=%d&%s", 5+rand.IntN(20), q); path != ""; {
				movies, next, _ := w.page(path)
				for _, m := range movies {
					seen[m.Title]++
				}
				if path = ""; next != nil {
					path = *next
				}
			}
			for title, n := range seen {
				if n > 1 {
					t.Errorf("%s: %s is seen %d times", q, title, n)
				}
			}
			for i := range 120 {
				if title := fmt.Sprint("Stays put ", i); seen[title] != 1 {
					t.Errorf("%s: %s is seen %d times", q, title, seen[title])
				}
			}
		}
	})
}

// TestLinkOfAnotherProcess: a link to the next page works at a process that has not seen the newest
// movies yet.
func TestLinkOfAnotherProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, s *shelf, a *api.API, end func()) {
		slow, endSlow := startWith(t, api.Options{Catalogue: s, Staleness: time.Minute, CacheBytes: 1 << 20})
		for n, path := range []string{"/movies?sort=-year&limit=1", "/movies?sort=title&q=beta&limit=1", "/people?name=gamma&limit=1"} {
			name := []string{"Alpha", "Beta", "Gamma"}[n]
			for i := range int64(2) {
				id := int64(1000+2*n) + i
				text := fmt.Sprint(name, " ", id)
				s.put(id, &movie.Movie{Identity: movie.Identity{Title: text, Year: 9000 + n}, Cast: []string{text}})
			}
			time.Sleep(2 * time.Second)
			var page struct {
				Next string `json:"next_url"`
			}
			if err := json.Unmarshal(record(t, a, http.MethodGet, path).body, &page); err != nil || page.Next == "" {
				t.Fatalf("%s: %v", path, err)
			}
			want, got := record(t, a, http.MethodGet, page.Next), record(t, slow, http.MethodGet, page.Next)
			if got.status != http.StatusOK || string(got.body) != string(want.body) || got.header.Get("Catalogue-Revision") != want.header.Get("Catalogue-Revision") {
				t.Errorf("%s: %d %s, want %s", page.Next, got.status, got.body, want.body)
			}
		}
		if got := record(t, slow, http.MethodGet, "/movies?sort=title&start=5000"); got.status != http.StatusBadRequest {
			t.Errorf("an id that no movie has: %d", got.status)
		}
		// The look that is in flight begins before the movie comes.
		time.Sleep(500 * time.Millisecond) // not when the other process looks
		held, come := make(chan struct{}), make(chan struct{})
		var isHeld atomic.Bool
		s.put(2000, &movie.Movie{Identity: movie.Identity{Title: "Delta", Year: 9100}})
		s.set(func() {
			s.after = func(method string) {
				if method == "Since" && !isHeld.Swap(true) {
					close(held)
					<-come
				}
			}
		})
		first := make(chan answer, 1)
		go func() { first <- record(t, slow, http.MethodGet, "/movies?sort=year&start=4000") }() // begins a look
		<-held
		s.put(3000, &movie.Movie{Identity: movie.Identity{Title: "Epsilon", Year: 9101}})
		second := make(chan answer, 1)
		go func() { second <- record(t, slow, http.MethodGet, "/movies?sort=-year&start=3000") }() // joins it
		synctest.Wait()
		close(come)
		<-first
		if got := <-second; got.status != http.StatusOK {
			t.Errorf("a movie that is newer than the look: %d %s", got.status, got.body)
		}
		endSlow()
		end()
	})
}
