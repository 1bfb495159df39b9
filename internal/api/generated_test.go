package api_test

import (
	gocmp "cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestGenerated sends requests generated from the OpenAPI description: allowed ones, forbidden
// ones, and the links of earlier answers. Each answer must match the description, with a described
// status below 500. Answers to allowed requests must equal those of a slow search through a model
// of the catalogue; forbidden requests must be refused with a problem that names the parameter.
// MOVIES_TEST_REQUESTS sets the number of requests.
func TestGenerated(t *testing.T) {
	requests := 20_000
	if text := os.Getenv("MOVIES_TEST_REQUESTS"); text != "" {
		var err error
		if requests, err = strconv.Atoi(text); err != nil {
			t.Fatalf("MOVIES_TEST_REQUESTS: %v", err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	o := databasetest.SQLite(t)
	db := cataloguetest.Open(t, o)
	raw := databasetest.Raw(t, o)
	g := &generator{
		walker: &walker{
			T: t, db: db, random: rand.New(rand.NewPCG(seed, 0)), seen: map[string]int{},
			records: map[movie.Identity]movie.Record{}, movies: map[int64]movie.Movie{}, known: map[int64]movie.Identity{},
		},
		api: start(t, db, slog.DiscardHandler), described: described(t),
	}
	g.paths = slices.Sorted(maps.Keys(g.described.Paths))
	for n := range requests {
		if n%1000 == 0 {
			g.change()
			g.learn(raw)
			g.settle()
		}
		g.request()
		if t.Failed() {
			t.Fatalf("after %d requests", n+1)
		}
	}
	kinds := []string{"allowed", "refused", "a link", "another method", "nothing there", "unchanged", "a head", "compressed"}
	for _, path := range g.paths {
		kinds = append(kinds, path+" 200")
	}
	for _, kind := range kinds {
		if g.seen[kind] == 0 {
			t.Errorf("no request was of the kind %q", kind)
		}
	}
	t.Logf("%d requests: %v", requests, g.seen)
}

// generator generates requests from the description.
type generator struct {
	*walker
	api       *api.API
	described description
	paths     []string
	links     []string // from the last answers
	revision  int64
}

// settle waits until the API has seen all commits.
func (g *generator) settle() {
	var err error
	if g.revision, err = g.db.Revision(g.Context()); err != nil {
		g.Fatal(err)
	}
	for record(g.T, g.api, http.MethodGet, "/").header.Get("Catalogue-Revision") != strconv.FormatInt(g.revision, 10) {
		time.Sleep(staleness / 4)
	}
	g.links = nil
}

// target is the URL of a request, in parts.
type target struct {
	route  string // the path in the description
	id     string // in the path
	values url.Values
	raw    string // the query string
}

func (r target) url() string {
	path := strings.ReplaceAll(r.route, "{id}", r.id)
	if r.raw == "" {
		return path
	}
	return path + "?" + r.raw
}

func (g *generator) request() {
	switch n := g.random.IntN(100); {
	case n < 4:
		g.otherMethod()
	case n < 8:
		g.nothing()
	case n < 25 && len(g.links) > 0:
		link := g.one(g.links)
		g.seen["a link"]++
		g.allowed(g.parse(link))
	case n < 60:
		g.allowed(g.generate())
	default:
		g.refused()
	}
}

// parse splits a link from an answer into a target.
func (g *generator) parse(link string) target {
	path, raw, _ := strings.Cut(link, "?")
	values, err := url.ParseQuery(raw)
	if err != nil {
		g.Fatalf("%s: %v", link, err)
	}
	r := target{route: path, values: values, raw: raw}
	if id, history, found := strings.Cut(strings.TrimPrefix(path, "/movies/"), "/"); strings.HasPrefix(path, "/movies/") {
		r.route, r.id = "/movies/{id}", id
		if found {
			r.route += "/" + history
		}
	}
	if _, described := g.described.Paths[r.route]; !described {
		g.Fatalf("%s is a link to nothing that is described", link)
	}
	return r
}

// generate returns a request that the schemas of its parameters allow.
func (g *generator) generate() target {
	r := target{route: g.one(g.paths), values: url.Values{}}
	often := 1 + g.random.IntN(8)
	for _, p := range g.described.Paths[r.route].Get.Parameters {
		switch {
		case p.In == "path":
			r.id = g.value(r.route, p)
		case p.In != "query" || !p.Required && g.random.IntN(often) > 0:
		case p.Schema.Type == "array":
			for range 1 + g.random.IntN(min(3, p.Schema.MaxItems)) {
				r.values.Add(p.Name, g.value(r.route, p))
			}
		default:
			r.values.Set(p.Name, g.value(r.route, p))
		}
	}
	r.encode(g.random)
	return r
}

// encode writes the names in random order, and the values of each in their order.
func (r *target) encode(random *rand.Rand) {
	var pieces []string
	names := slices.Sorted(maps.Keys(r.values))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		for _, v := range r.values[name] {
			pieces = append(pieces, url.QueryEscape(name)+"="+url.QueryEscape(v))
		}
	}
	r.raw = strings.Join(pieces, "&")
}

// value returns a value that the schema allows, often one that matches movies.
func (g *generator) value(route string, p describedParameter) string {
	s := p.Schema
	kind := s.Type
	if kind == "array" {
		kind = s.Items.Type
	}
	switch {
	case len(s.Enum) > 0:
		return g.one(s.Enum)
	case kind == "integer":
		return strconv.FormatInt(g.integer(p), 10)
	case p.Name == "wait":
		return g.one([]string{"0", "0s", "1ms", "100us", "0.5ms"})
	}
	var pool []string
	switch {
	case strings.HasPrefix(p.Name, "cast") || p.Name == "name" || route == "/people" && p.Name == "start":
		pool = oddNames
	case strings.HasPrefix(p.Name, "genre"):
		pool = oddGenres
	default:
		pool = oddTitles
	}
	for {
		text := g.one(pool)
		if g.random.IntN(10) == 0 {
			text = g.text()
		}
		if movie.Clean(text) != "" && (p.Name != "q" && p.Name != "name" || len(movie.Words(text)) > 0) {
			return text
		}
	}
}

// integer returns a bound, any value between the bounds, or one that matches movies.
func (g *generator) integer(p describedParameter) int64 {
	least, most := int64(1), int64(1)<<62
	if p.Schema.Minimum != nil {
		least, _ = p.Schema.Minimum.Int64()
	}
	if p.Schema.Maximum != nil {
		most, _ = p.Schema.Maximum.Int64()
	}
	switch g.random.IntN(8) {
	case 0:
		return least
	case 1:
		return most
	case 2:
		return least + g.random.Int64N(most-least)
	}
	if strings.HasPrefix(p.Name, "year") {
		return 2000 + g.random.Int64N(walkYears)
	}
	return min(most, least+g.random.Int64N(1+max(g.highest, 5)))
}

// text returns random valid UTF-8.
func (g *generator) text() string {
	var text []rune
	for range 1 + g.random.IntN(12) {
		text = append(text, []rune{rune(g.random.IntN(128)), rune(g.random.IntN(0xd800)), rune(0x1f300 + g.random.IntN(500)), 'a'}[g.random.IntN(4)])
	}
	return string(text)
}

// fault returns the parameter that makes a request wrong although the schema allows each of its
// values, or "" if the request is right. The description states these rules in words.
func (g *generator) fault(r target) string {
	q := g.queryOf(r)
	switch {
	case q.YearTo != 0 && q.YearTo < q.YearFrom:
		return "year_to"
	case q.sort == movie.SortMatch && len(q.Words) == 0:
		return "sort"
	case len(q.Words) > 64:
		return "q"
	case r.route == "/movies" && q.start != 0 && q.sort != movie.SortNewest && g.known[q.start].Title == "":
		return "start"
	case r.route == "/people" && r.values.Has("start") && !slices.ContainsFunc(matching(g.movies, q.Filter), func(id int64) bool {
		return slices.Contains(g.movies[id].Cast, movie.Clean(r.values.Get("start")))
	}):
		return "start"
	}
	return ""
}

// queryOf interprets the parameters of a request.
func (g *generator) queryOf(r target) query {
	clean := func(name string) (all []string) {
		for _, v := range r.values[name] {
			all = append(all, movie.Clean(v))
		}
		return all
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(r.values.Get(name), 10, 64); return n }
	q := query{sort: gocmp.Or(movie.Sort(r.values.Get("sort")), movie.SortNewest), limit: gocmp.Or(number("limit"), 25), start: number("start")}
	q.Filter = movie.Filter{
		Title: movie.Clean(r.values.Get("title")), Year: int(number("year")), YearFrom: int(number("year_from")), YearTo: int(number("year_to")),
		Cast: clean("cast"), CastAny: clean("cast_any"), CastNot: clean("cast_not"),
		Genres: clean("genre"), GenresAny: clean("genre_any"), GenresNot: clean("genre_not"),
	}
	if r.values.Has("q") {
		q.Words = movie.Words(movie.Clean(r.values.Get("q")))
	}
	for _, v := range r.values["id"] {
		id, _ := strconv.ParseInt(v, 10, 64)
		q.IDs = append(q.IDs, id)
	}
	return q
}

// send sends a request in one of several forms and checks that the status is below 500.
func (g *generator) send(at string) answer {
	var headers []string
	if g.random.IntN(10) == 0 {
		headers = []string{"Accept-Encoding", g.one([]string{"gzip", "zstd", "gzip, zstd", "identity", "*"})}
	}
	got := record(g.T, g.api, http.MethodGet, at, headers...)
	if encoding := got.header.Get("Content-Encoding"); encoding != "" {
		g.seen["compressed"]++
		got.body = decode(g.T, encoding, got.body)
	}
	if got.status >= 500 {
		g.Errorf("%s: %d %s", at, got.status, got.body)
	}
	if tag := got.header.Get("ETag"); tag != "" && g.random.IntN(10) == 0 {
		g.seen["unchanged"]++
		if again := record(g.T, g.api, http.MethodGet, at, append(headers, "If-None-Match", tag)...); again.status != http.StatusNotModified || len(again.body) > 0 {
			g.Errorf("%s, with its entity tag: %d %s", at, again.status, again.body)
		}
	}
	if g.random.IntN(20) == 0 && !strings.HasPrefix(at, "/export") && len(headers) == 0 {
		g.seen["a head"]++
		if head := record(g.T, g.api, http.MethodHead, at); head.status != got.status || !cmp.Equal(got.header, head.header) {
			g.Errorf("HEAD %s: %d, %s", at, head.status, cmp.Diff(got.header, head.header))
		}
	}
	return got
}

// allowed sends a request whose single values the schemas allow.
func (g *generator) allowed(r target) {
	if parameter := g.fault(r); parameter != "" {
		g.checkRefused(r.url(), parameter)
		return
	}
	got := g.send(r.url())
	if want := g.status(r); got.status != want {
		g.Errorf("%s: %d, want %d: %s", r.url(), got.status, want, got.body)
		return
	}
	g.seen["allowed"]++
	g.seen[fmt.Sprintf("%s %d", r.route, got.status)]++
	if got.status == http.StatusOK {
		g.compare(r, got)
	}
}

// status returns the status of the answer to a right request.
func (g *generator) status(r target) int {
	id, _ := strconv.ParseInt(r.id, 10, 64)
	number := func(name string) int64 { n, _ := strconv.ParseInt(r.values.Get(name), 10, 64); return n }
	switch _, visible := g.movies[id]; {
	case r.route == "/movies/{id}" && !visible,
		r.route == "/movies/{id}/history" && !g.ids[id]:
		return http.StatusNotFound
	case r.route == "/changes" && (r.values.Has("lastEventId") && number("lastEventId") > g.revision || !r.values.Has("lastEventId") && number("since") > g.revision):
		return http.StatusGone
	}
	return http.StatusOK
}

// compare compares an answer with the model.
func (g *generator) compare(r target, got answer) {
	q := g.queryOf(r)
	var want any
	ids, order := matching(g.movies, q.Filter), g.order(q)
	total := ""
	var body map[string]any
	switch r.route {
	case "/movies":
		slices.SortFunc(ids, order)
		total = strconv.Itoa(len(ids))
		ids = slices.DeleteFunc(ids, func(id int64) bool { return q.start != 0 && order(id, q.start) <= 0 })
		page := []any{}
		for _, id := range ids[:min(len(ids), int(q.limit))] {
			page = append(page, g.shown(id))
		}
		var next any
		if len(ids) > int(q.limit) {
			next = g.next(r, strconv.FormatInt(ids[q.limit-1], 10))
		}
		want = map[string]any{"movies": page, "next_url": next}
	case "/movies/{id}":
		id, _ := strconv.ParseInt(r.id, 10, 64)
		want = g.shown(id)
	case "/genres", "/years":
		want, total = g.counts(strings.Trim(r.route, "/s"), ids), strconv.Itoa(len(ids))
	case "/people":
		want, total = g.people(r, q, ids)
	case "/export":
		g.compareExport(r, ids, got)
		return
	case "/changes":
		g.compareChanges(r, got)
		return
	case "/suggest":
		g.compareSuggestions(r, q, got)
		return
	default:
		return // checkDescribed has validated it
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		g.Errorf("%s: %v", r.url(), err)
	}
	if diff := cmp.Diff(normal(g.T, want), any(body), cmpopts.EquateEmpty()); diff != "" {
		g.Errorf("%s: want -, got +: %s", r.url(), diff)
	}
	if have := got.header.Get("Total-Count"); have != total {
		g.Errorf("%s: Total-Count is %q, want %q", r.url(), have, total)
	}
	g.remember(body, got)
}

// normal converts a value to the types that JSON decodes to.
func normal(t *testing.T, value any) (plain any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func (g *generator) shown(id int64) shown {
	m := g.movies[id]
	return shown{id, m.Title, m.Year, append([]string{}, m.Cast...), append([]string{}, m.Genres...), fmt.Sprint("/movies/", id)}
}

// next returns the link to the next page.
func (g *generator) next(r target, start string) string {
	next := url.Values{"start": {start}}
	for name, values := range r.values {
		if name != "start" {
			for _, v := range values {
				next.Add(name, movie.Clean(v))
			}
		}
	}
	return r.route + "?" + next.Encode()
}

// remember keeps the links of an answer and checks that the header Link equals next_url.
func (g *generator) remember(body any, got answer) {
	if len(g.links) > 200 {
		g.links = g.links[100:]
	}
	header := ""
	var look func(value any)
	look = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, member := range v {
				link, isText := member.(string)
				if isText && strings.HasSuffix(name, "url") {
					g.links = append(g.links, link)
				}
				if isText && name == "next_url" {
					header = "<" + link + `>; rel="next"`
				}
				look(member)
			}
		case []any:
			for _, member := range v {
				look(member)
			}
		}
	}
	look(body)
	if have := got.header.Get("Link"); have != header {
		g.Errorf("Link is %q, and next_url %q", have, header)
	}
}

func (g *generator) counts(name string, ids []int64) any {
	movies := map[string]int{}
	for _, id := range ids {
		values := g.movies[id].Genres
		if name == "year" {
			values = []string{strconv.Itoa(g.movies[id].Year)}
		}
		for _, v := range values {
			movies[v]++
		}
	}
	list := []any{}
	for _, v := range g.sorted(movies, name == "year") {
		var shown any = v
		if name == "year" {
			shown, _ = strconv.Atoi(v)
		}
		list = append(list, map[string]any{name: shown, "movies": movies[v], "movies_url": "/movies?" + name + "=" + url.QueryEscape(v)})
	}
	return map[string]any{name + "s": list}
}

// sorted returns the names by descending number of movies, then by name.
func (g *generator) sorted(movies map[string]int, byName bool) []string {
	return slices.SortedFunc(maps.Keys(movies), func(a, b string) int {
		if byName {
			return strings.Compare(a, b)
		}
		return gocmp.Or(gocmp.Compare(movies[b], movies[a]), strings.Compare(a, b))
	})
}

func (g *generator) people(r target, q query, ids []int64) (want any, total string) {
	movies, first, last := map[string]int{}, map[string]int{}, map[string]int{}
	for _, id := range ids {
		for _, name := range g.movies[id].Cast {
			year := g.movies[id].Year
			movies[name]++
			first[name], last[name] = min(gocmp.Or(first[name], year), year), max(last[name], year)
		}
	}
	start, all := movie.Clean(r.values.Get("start")), maps.Clone(movies)
	if r.values.Has("name") {
		words := movie.Words(movie.Clean(r.values.Get("name")))
		maps.DeleteFunc(movies, func(name string, _ int) bool { // name matches words as a title does
			return !movie.Filter{Words: words}.Matches(1, movie.Movie{Identity: movie.Identity{Title: name}})
		})
	}
	list, next := []any{}, any(nil)
	for _, name := range g.sorted(movies, false) {
		if start != "" && gocmp.Or(gocmp.Compare(all[start], all[name]), strings.Compare(name, start)) <= 0 {
			continue
		}
		if len(list) == int(q.limit) {
			next = g.next(r, list[len(list)-1].(map[string]any)["name"].(string))
			break
		}
		list = append(list, map[string]any{
			"name": name, "movies": movies[name], "first_year": first[name], "last_year": last[name], "movies_url": "/movies?cast=" + url.QueryEscape(name),
		})
	}
	return map[string]any{"people": list, "next_url": next}, strconv.Itoa(len(movies))
}

// compareSuggestions: while something has the words, suggestions are of that, and as many as
// there is room for. Otherwise they are misspelt. Each is in the catalogue, and there once.
func (g *generator) compareSuggestions(r target, q query, got answer) {
	numbers := map[string]int{} // of movies, by kind and text; by kind, id, year and text for a movie
	for id, m := range g.movies {
		numbers[fmt.Sprintf("movie %d %d %s", id, m.Year, m.Title)] = 0
		for kind, names := range map[string][]string{"person": m.Cast, "genre": m.Genres} {
			for _, name := range names {
				numbers[kind+" "+name]++
			}
		}
	}
	has := func(text string) bool {
		return movie.Filter{Words: q.Words}.Matches(1, movie.Movie{Identity: movie.Identity{Title: text}})
	}
	exact := 0
	for _, m := range g.movies {
		if has(m.Title) {
			exact++
		}
	}
	for known := range numbers {
		if kind, name, _ := strings.Cut(known, " "); kind != "movie" && has(name) {
			exact++
		}
	}
	var body struct {
		Suggestions []struct {
			Kind, Text, URL string
			Year, Movies    int
		}
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		g.Errorf("%s: %v", r.url(), err)
	}
	limit := int(q.limit)
	if !r.values.Has("limit") {
		limit = 8
	}
	if n := len(body.Suggestions); exact > 0 && n != min(limit, exact) || n > limit {
		g.Errorf("%s: %d suggestions, want %d of %d: %s", r.url(), n, limit, exact, got.body)
	}
	for _, s := range body.Suggestions {
		at := s.Kind + " " + s.Text
		if s.Kind == "movie" {
			at = fmt.Sprintf("movie %s %d %s", strings.TrimPrefix(s.URL, "/movies/"), s.Year, s.Text)
		}
		if n, known := numbers[at]; !known || n != s.Movies || has(s.Text) != (exact > 0) {
			g.Errorf("%s: suggests %q with %d movies, in the catalogue %t with %d: %s", r.url(), at, s.Movies, known, n, got.body)
		}
		delete(numbers, at)
	}
	if exact > 0 {
		g.seen["suggested"]++
	}
}

func (g *generator) compareExport(r target, ids []int64, got answer) {
	want := map[int64]shown{}
	for _, id := range ids {
		want[id] = g.shown(id)
	}
	var have map[int64]shown
	switch r.values.Get("format") {
	case "", "ndjson":
		have = exported(g.T, got.body)
	case "csv":
		have = exportedCSV(g.T, got.body)
	default:
		return // the spreadsheet format changes cells that look like formulas
	}
	if diff := cmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
		g.Errorf("%s: want -, got +: %s", r.url(), diff)
	}
}

// compareChanges checks that the movies are current and that the revisions have no gaps.
func (g *generator) compareChanges(r target, got answer) {
	var body struct {
		Changes []struct {
			Revision, ID int64
			Movie        *shown
		}
		Revision int64
		NextURL  string `json:"next_url"`
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		g.Errorf("%s: %v", r.url(), err)
	}
	since := gocmp.Or(r.values.Get("lastEventId"), r.values.Get("since"), "0")
	last, _ := strconv.ParseInt(since, 10, 64)
	if limit := int(gocmp.Or(g.queryOf(r).limit, 100)); r.values.Has("limit") && len(body.Changes) > limit {
		g.Errorf("%s: %d changes", r.url(), len(body.Changes))
	}
	for _, c := range body.Changes {
		if c.Revision != last+1 {
			g.Errorf("%s: revision %d follows %d", r.url(), c.Revision, last)
		}
		last = c.Revision
		_, visible := g.movies[c.ID]
		if visible != (c.Movie != nil) || visible && !cmp.Equal(*c.Movie, g.shown(c.ID), cmpopts.EquateEmpty()) {
			g.Errorf("%s: movie %d is %+v, want %+v", r.url(), c.ID, c.Movie, g.movies[c.ID])
		}
	}
	if body.Revision != last || len(body.Changes) == 0 && last != g.revision {
		g.Errorf("%s: revision %d, want %d", r.url(), body.Revision, last)
	}
	g.remember(map[string]any{"next_url": body.NextURL}, got)
}

// refused sends a request with one fault.
func (g *generator) refused() {
	r := g.generate()
	parameters := slices.DeleteFunc(slices.Clone(g.described.Paths[r.route].Get.Parameters), func(p describedParameter) bool { return p.In != "query" })
	parameter := ""
	if len(parameters) > 0 && g.random.IntN(4) > 0 {
		p := parameters[g.random.IntN(len(parameters))]
		parameter = p.Name
		g.spoil(&r, p)
	} else {
		parameter = g.spoilAny(&r)
	}
	g.checkRefused(r.url(), parameter, g.fault(r))
}

// spoil gives a parameter a value, or a number of values, that its schema does not allow.
func (g *generator) spoil(r *target, p describedParameter) {
	s := p.Schema
	kind := s.Type
	if kind == "array" {
		kind = s.Items.Type
	}
	wrong := []string{"", " ", "\u2003\t"}
	if kind == "integer" {
		wrong = append(wrong, "x", "1.0", "+1", "-1", "1e3", "0x1", "99999999999999999999", "\u0661", "1 1")
		if s.Minimum != nil {
			wrong = append(wrong, decrement(g.T, s.Minimum))
		}
		if s.Maximum != nil {
			wrong = append(wrong, s.Maximum.String()+"0")
		}
	}
	if len(s.Enum) > 0 {
		wrong = append(wrong, g.one(s.Enum)+"x", strings.ToUpper(g.one(s.Enum))+"\u00c4")
	}
	switch p.Name {
	case "q", "name":
		wrong = append(wrong, "!", "\u2026 ?", strings.Repeat("a ", 65))
	case "wait":
		wrong = append(wrong, "1", "-1s", "61s", "1h", "soon")
	}
	values := []string{g.one(wrong)}
	switch n := g.random.IntN(5); {
	case n == 0 && p.Required:
		values = nil
	case n == 1 && s.Type == "array":
		values = nil
		for range s.MaxItems + 1 {
			values = append(values, g.value(r.route, p))
		}
	case n == 1:
		values = []string{g.value(r.route, p), g.value(r.route, p)}
	}
	r.values[p.Name] = values
	r.encode(g.random)
}

// spoilAny makes a query string that every route refuses. It returns the bad parameter.
func (g *generator) spoilAny(r *target) string {
	name := g.one([]string{"genres", "Year", "page", "limit ", "titel", "zzz", "a%b", "\u00e9", g.text() + "x"})
	pair, parameter := url.QueryEscape(name)+"=1", name
	switch g.random.IntN(5) {
	case 0:
		pair, parameter = "title=%zz", "title"
	case 1:
		pair, parameter = "title=%ff", "title"
	case 2:
		pair, parameter = "title=a;b", "title"
	case 3:
		pair, parameter = "=1", "=1"
	}
	r.raw = strings.Trim(pair+"&"+r.raw, "&")
	return parameter
}

// checkRefused sends a bad request and checks that the problem names one of the parameters.
func (g *generator) checkRefused(at string, parameters ...string) {
	got := g.send(at)
	if got.status != http.StatusBadRequest {
		g.Errorf("%s: %d, want 400 for %q: %s", at, got.status, parameters, got.body)
		return
	}
	if p := checkProblem(g.T, at, got, http.StatusBadRequest); !slices.Contains(parameters, p.Parameter) || !strings.Contains(p.Detail, p.Parameter) && !strings.Contains(p.Detail, strconv.Quote(p.Parameter)) {
		g.Errorf("%s: parameter %q, want %q: %s", at, p.Parameter, parameters, p.Detail)
	}
	g.seen["refused"]++
}

func (g *generator) otherMethod() {
	g.seen["another method"]++
	r := g.generate()
	method := g.one([]string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "PROPFIND"})
	got := record(g.T, g.api, method, r.url())
	checkProblem(g.T, method+" "+r.url(), got, http.StatusMethodNotAllowed)
	checkHeader(g.T, method+" "+r.url(), got, "Allow", "GET, HEAD, OPTIONS")
}

func (g *generator) nothing() {
	g.seen["nothing there"]++
	at := g.one([]string{"/movies/0", "/movies/01", "/movies/x", "/movies/-1", "/movies/1.0", "/movies/", "/movie", "/movies/1/", "/genres/1", "//movies", "/MOVIES", "/..", "/movies/99999999999999999999"})
	checkProblem(g.T, at, g.send(at), http.StatusNotFound)
}
