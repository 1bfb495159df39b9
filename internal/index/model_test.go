package index_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// model is a simple model of the catalogue.
type model struct {
	movies map[int64]movie.Movie    // visible ones
	known  map[int64]movie.Identity // every movie, also hidden ones
}

func (m *model) matching(f movie.Filter) []int64 {
	return slices.DeleteFunc(slices.Collect(maps.Keys(m.movies)), func(id int64) bool { return !f.Matches(id, m.movies[id]) })
}

func (m *model) search(f movie.Filter, order movie.Sort, start int64, limit int) index.Found {
	matching := m.matching(f)
	compare := func(a, b int64) int {
		x, y := m.known[a], m.known[b]
		c := 0
		switch order {
		case movie.SortYear:
			c = cmp.Compare(x.Year, y.Year)
		case movie.SortLastYear:
			c = cmp.Compare(y.Year, x.Year)
		case movie.SortTitle:
			c = strings.Compare(movie.TitleKey(x.Title), movie.TitleKey(y.Title))
		case movie.SortMatch:
			c = cmp.Compare(f.Match(x.Title), f.Match(y.Title))
		}
		return cmp.Or(c, cmp.Compare(b, a))
	}
	slices.SortFunc(matching, compare)
	found := index.Found{Total: len(matching)}
	for _, id := range matching {
		switch {
		case start != 0 && compare(id, start) <= 0:
		case len(found.IDs) == limit:
			found.More = true
		default:
			found.IDs = append(found.IDs, id)
		}
	}
	return found
}

func (m *model) counts(f movie.Filter, of func(movie.Movie) []string) map[string]int {
	counts := map[string]int{}
	for id, movie := range m.movies {
		if f.Matches(id, movie) {
			for _, value := range of(movie) {
				counts[value]++
			}
		}
	}
	return counts
}

var (
	titleWords = []string{"the", "matrix", "Matrices", "a", "am\u00e9lie", "Amelie", "Don't", "\u00c6r\u00f8", "2", "\u6771\u4eac", "mat", "!", "spider-man", "x"}
	people     = []string{"Tom Hanks", "Tom Hardy", "Anna T\u00f3th", "tom hanks", "Ann", "!!", "J\u00f8rgen", "\u674e"}
	genres     = []string{"Drama", "Comedy", "drama", "Science Fiction", "\u00c9pop\u00e9e"}
)

func some[T any](r *rand.Rand, of []T, most int) []T {
	var chosen []T
	for _, i := range r.Perm(len(of))[:r.IntN(min(most, len(of))+1)] {
		chosen = append(chosen, of[i])
	}
	return chosen
}

func drawTitle(r *rand.Rand) string {
	title := strings.Join(some(r, titleWords, 4), " ")
	if title == "" {
		return "?"
	}
	return movie.Clean(title)
}

func drawFilter(r *rand.Rand) (f movie.Filter) {
	chance := func(n int) bool { return r.IntN(n) == 0 }
	if chance(4) {
		f.Cast = some(r, people, 2)
	}
	if chance(4) {
		f.Genres = some(r, genres, 2)
	}
	if chance(6) {
		f.CastAny = some(r, people, 3)
	}
	if chance(6) {
		f.GenresAny = some(r, append([]string{"none"}, genres...), 3)
	}
	if chance(6) {
		f.CastNot = some(r, people, 2)
	}
	if chance(6) {
		f.GenresNot = some(r, genres, 2)
	}
	if chance(8) {
		f.Year = drawYear(r)
	}
	if chance(5) {
		f.YearFrom = drawYear(r)
	}
	if chance(5) {
		f.YearTo = drawYear(r)
	}
	if chance(10) {
		f.Title = drawTitle(r)
	}
	if chance(10) {
		for range 1 + r.IntN(20) {
			f.IDs = append(f.IDs, 1+r.Int64N(400))
		}
	}
	if chance(3) {
		f.Words = drawWords(r, titleWords)
	}
	return f
}

func drawWords(r *rand.Rand, from []string) []string {
	words := movie.Words(strings.Join(some(r, from, 3), " "))
	if len(words) > 0 && r.IntN(2) == 0 {
		last := []rune(words[len(words)-1])
		words[len(words)-1] = string(last[:1+r.IntN(len(last))])
	}
	return words
}

// TestIndexEqualsModel changes a catalogue at random, in batches of any size, and queries each
// version at random, including versions that were replaced.
func TestIndexEqualsModel(t *testing.T) {
	for seed := range uint64(12) {
		most := []int64{400, 400, 2500}[seed%3] // with 2500 movies, sets become bitmaps
		r := rand.New(rand.NewPCG(seed, 0))
		m := &model{map[int64]movie.Movie{}, map[int64]movie.Identity{}}
		x, err := index.New().Commit(0)
		if err != nil {
			t.Fatal(err)
		}
		revision := int64(0)
		type version struct {
			index *index.Index
			model *model
		}
		var versions []version
		for range 12 {
			b := x.Change()
			for range r.IntN([]int{1, 5, int(most) / 2}[r.IntN(3)] + 1) {
				revision++
				change(t, r, b, m, most)
			}
			if x, err = b.Commit(revision); err != nil {
				t.Fatal(err)
			}
			versions = append(versions, version{x, &model{maps.Clone(m.movies), maps.Clone(m.known)}})
		}
		for _, v := range versions {
			for range 30 {
				checkSearch(t, r, v.index, v.model)
				checkCounts(t, r, v.index, v.model)
			}
			checkMovies(t, v.index, v.model)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestLargeIndexEqualsModel queries results that are too large to be sorted or listed, with
// genres that are more than most movies of a result.
func TestLargeIndexEqualsModel(t *testing.T) {
	const movies = 16_000
	r := rand.New(rand.NewPCG(7, 0))
	m := &model{map[int64]movie.Movie{}, map[int64]movie.Identity{}}
	b := index.New()
	for id := range int64(movies) {
		if r.IntN(8) > 0 {
			putOrHide(t, r, b, m, id+1)
		}
		if shown, visible := m.movies[id+1]; visible {
			shown.Genres = append(shown.Genres, fmt.Sprint("Rare ", r.IntN(300)))
			m.movies[id+1] = shown
			if err := b.Put(id+1, shown); err != nil {
				t.Fatal(err)
			}
		}
	}
	x, err := b.Commit(movies)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		checkSearch(t, r, x, m)
	}
	for range 20 {
		checkCounts(t, r, x, m)
	}
}

// TestLateTitles: a page by title finds movies that all come late in the order of titles.
func TestLateTitles(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 0))
	m := &model{map[int64]movie.Movie{}, map[int64]movie.Identity{}}
	b := index.New()
	const early, late = 6000, 3000
	for id := int64(1); id <= early+late; id++ {
		film := movie.Movie{Identity: movie.Identity{Title: fmt.Sprint("a ", r.IntN(early)), Year: 1 + r.IntN(12)}, Genres: []string{"early"}}
		if id > early {
			film.Title, film.Genres[0] = fmt.Sprint("z ", r.IntN(late)), "late"
		}
		m.movies[id], m.known[id] = film, film.Identity
		if err := b.Put(id, film); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Commit(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []int64{0, 1, early, early + 1, early + late} {
		f := movie.Filter{Genres: []string{"late"}}
		found, err := x.Search(f, movie.SortTitle, start, 20)
		if diff := gocmp.Diff(m.search(f, movie.SortTitle, start, 20), found); err != nil || diff != "" {
			t.Errorf("from %d: %v -want +got %s", start, err, diff)
		}
	}
}

// drawYear draws one of few years about the ends of decades and of the calendar.
func drawYear(r *rand.Rand) int {
	years := [...]int{1, 8, 9, 10, 11, 15, 18, 19, 20, 21, 29, 30, 9980, 9989, 9990, 9998, 9999}
	return years[r.IntN(len(years))]
}

func change(t *testing.T, r *rand.Rand, b *index.Builder, m *model, most int64) {
	t.Helper()
	putOrHide(t, r, b, m, 1+r.Int64N(most))
}

func putOrHide(t *testing.T, r *rand.Rand, b *index.Builder, m *model, id int64) {
	t.Helper()
	identity, known := m.known[id]
	if !known {
		identity = movie.Identity{Title: drawTitle(r), Year: drawYear(r)}
		m.known[id] = identity
	}
	if r.IntN(4) == 0 {
		delete(m.movies, id)
		if err := b.Hide(id, identity); err != nil {
			t.Fatal(err)
		}
		return
	}
	m.movies[id] = movie.Movie{Identity: identity, Cast: some(r, people, 4), Genres: some(r, genres, 3)}
	if err := b.Put(id, m.movies[id]); err != nil {
		t.Fatal(err)
	}
}

func checkSearch(t *testing.T, r *rand.Rand, x *index.Index, m *model) {
	t.Helper()
	f := drawFilter(r)
	orders := []movie.Sort{movie.SortNewest, movie.SortYear, movie.SortLastYear, movie.SortTitle}
	if len(f.Words) > 0 {
		orders = append(orders, movie.SortMatch)
	}
	order, limit := orders[r.IntN(len(orders))], 1+r.IntN(20)
	start := int64(0)
	if known := slices.Sorted(maps.Keys(m.known)); len(known) > 0 && r.IntN(2) == 0 {
		start = known[r.IntN(len(known))]
	}
	found, err := x.Search(f, order, start, limit)
	if diff := gocmp.Diff(m.search(f, order, start, limit), found); err != nil || diff != "" {
		t.Errorf("%+v by %s from %d: %v -want +got %s", f, order, start, err, diff)
	}
}

func checkCounts(t *testing.T, r *rand.Rand, x *index.Index, m *model) {
	t.Helper()
	f := drawFilter(r)
	want := m.counts(f, func(m movie.Movie) []string { return m.Genres })
	got := map[string]int{}
	counts, movies := x.Genres(f)
	for _, c := range counts {
		got[c.Value] = c.Movies
	}
	if all := len(m.matching(f)); movies != all {
		t.Errorf("%+v: %d movies in all genres, want %d", f, movies, all)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("genres of %+v: %s", f, diff)
	}
	if !slices.IsSortedFunc(counts, func(a, b index.Count) int {
		return cmp.Or(cmp.Compare(b.Movies, a.Movies), cmp.Compare(a.Value, b.Value))
	}) {
		t.Errorf("genres of %+v are not in order: %v", f, counts)
	}
	want = m.counts(f, func(m movie.Movie) []string { return []string{fmt.Sprint(m.Year)} })
	got = map[string]int{}
	counts, movies = x.Years(f)
	for _, c := range counts {
		got[fmt.Sprint(c.Year)] = c.Movies
	}
	if all := len(m.matching(f)); movies != all {
		t.Errorf("%+v: %d movies in all years, want %d", f, movies, all)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("years of %+v: %s", f, diff)
	}
	if !slices.IsSortedFunc(counts, func(a, b index.Count) int { return cmp.Compare(a.Year, b.Year) }) {
		t.Errorf("years of %+v are not in order: %v", f, counts)
	}
	checkPeople(t, r, f, x, m)
}

func checkPeople(t *testing.T, r *rand.Rand, f movie.Filter, x *index.Index, m *model) {
	t.Helper()
	var words []string
	if r.IntN(2) == 0 {
		words = drawWords(r, people)
	}
	named := movie.Filter{Words: words}
	var want []index.Person
	for name, n := range m.counts(f, func(m movie.Movie) []string { return m.Cast }) {
		if len(words) > 0 && !named.Matches(0, movie.Movie{Identity: movie.Identity{Title: name}}) {
			continue
		}
		p := index.Person{Name: name, Movies: n}
		for id, m := range m.movies {
			if f.Matches(id, m) && slices.Contains(m.Cast, name) {
				if p.FirstYear == 0 || m.Year < p.FirstYear {
					p.FirstYear = m.Year
				}
				p.LastYear = max(p.LastYear, m.Year)
			}
		}
		want = append(want, p)
	}
	slices.SortFunc(want, func(a, b index.Person) int {
		return cmp.Or(cmp.Compare(b.Movies, a.Movies), strings.Compare(a.Name, b.Name))
	})
	limit, start := 1+r.IntN(4), ""
	var got []index.Person
	for {
		page, err := x.People(f, words, start, limit)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.People...)
		if page.Total != len(want) || page.More && len(page.People) != limit {
			t.Errorf("people of %+v behind %q: %+v, want %d", f, start, page, len(want))
		}
		if !page.More {
			break
		}
		start = page.People[limit-1].Name
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("people of %+v with %q: %s", f, words, diff)
	}
	if _, err := x.People(f, nil, "nobody at all", limit); !errors.Is(err, index.ErrStart) {
		t.Errorf("people behind a name that is not there: %v", err)
	}
}

func checkMovies(t *testing.T, x *index.Index, m *model) {
	t.Helper()
	if x.Len() != len(m.movies) {
		t.Errorf("%d movies, want %d", x.Len(), len(m.movies))
	}
	for id := range int64(2502) {
		want, visible := m.movies[id]
		fields, found := x.AppendFields(nil, id)
		if found != visible || visible && string(fields) != string(want.AppendFields(nil)) {
			t.Errorf("movie %d is %s, want %s", id, fields, want.AppendFields(nil))
		}
	}
}
