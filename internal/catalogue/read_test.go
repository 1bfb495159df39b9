package catalogue_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestMoviesEqualsModel walks random filters over a random catalogue, page by page, and compares
// with Filter.Matches: the same ids in the same order. Exports of the same filters must agree.
func TestMoviesEqualsModel(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		random := rand.New(rand.NewPCG(7, 8))
		if _, err := db.Apply(t.Context(), movie.Batch{Updates: shelf(random, 3000)}); err != nil {
			t.Fatal(err)
		}
		all := everything(t, databasetest.Raw(t, o))
		for i := range 300 {
			f := randomFilter(random)
			limit := 1 + random.IntN(100)
			if i%2 == 0 {
				limit = 400
				f = anyFilter(random, f)
			}
			want := matching(all, f)
			if got := walk(t, db, f, limit); !slices.Equal(got, want) {
				t.Fatalf("%+v, limit %d: %d ids, want %d\n%v\n%v", f, limit, len(got), len(want), got, want)
			}
			if got := exported(t, db, f); !slices.Equal(got, want) {
				t.Fatalf("export %+v: %d ids, want %d\n%v\n%v", f, len(got), len(want), got, want)
			}
		}
	})
}

// TestWorkOfAPageIsBounded: a page that needs more candidates than Movies reads is short and has a
// next page, even if nothing matches.
func TestWorkOfAPageIsBounded(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		var updates []movie.Update
		for i := range 2500 {
			u := cataloguetest.Update(1, fmt.Sprint("T ", i), 1900+i%100, []string{"A"}, []string{"G"})
			u.Deleted = i >= 2300
			updates = append(updates, u)
		}
		updates[0].Genres = []string{"G", "H"}
		apply(t, db, updates...)
		for _, f := range []movie.Filter{
			{Genres: []string{"G", "H"}}, {Cast: []string{"A"}, Genres: []string{"H"}}, {Cast: []string{"A"}, YearTo: 1900, Genres: []string{"H"}},
			{YearTo: 1900, CastNot: []string{"B"}, Genres: []string{"H", "G"}, GenresAny: []string{"H"}},
		} {
			pages := [][]int64{}
			for start := int64(0); ; {
				rows, next, err := db.Movies(t.Context(), f, start, 25)
				if err != nil {
					t.Fatal(err)
				}
				pages = append(pages, ids(rows))
				if next == 0 {
					break
				}
				if start > 0 && start-next > 1000 || start == 0 && 2501-next > 1300 {
					t.Errorf("%+v: a page goes from %d to %d", f, start, next)
				}
				start = next
			}
			// The last page holds the only movie; no extra empty page follows.
			if n := len(pages); n != 1 && (n != 3 || len(pages[0])+len(pages[1]) != 0) || !slices.Equal(pages[n-1], []int64{1}) {
				t.Errorf("%+v: pages %v", f, pages)
			}
		}
		// Deleted movies are candidates too.
		rows, next, err := db.Movies(t.Context(), movie.Filter{Year: 1999}, 0, 2)
		if err != nil || len(rows) != 2 || next != rows[1].ID {
			t.Errorf("%v, next %d, %v", ids(rows), next, err)
		}
	})
}

// TestSurplusLinks: links to missing or hidden movies, which only a damaged catalogue has, neither
// show nor end a page.
func TestSurplusLinks(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		var updates []movie.Update
		for i := range 100 {
			u := cataloguetest.Update(1, fmt.Sprint("T ", i), 2000+i%2, nil, []string{"G"})
			u.Deleted = i%10 == 9
			updates = append(updates, u)
		}
		apply(t, db, updates...)
		raw := databasetest.Raw(t, o)
		for id := 10; id < 1000; id += 10 {
			databasetest.Exec(t, raw, fmt.Sprintf("INSERT INTO movie_genre (name, movie_id) VALUES ('G', %d)", id))
		}
		for _, f := range []movie.Filter{{Genres: []string{"G"}}, {Genres: []string{"G"}, YearFrom: 2000}} {
			for _, limit := range []int{1, 7, 1000} {
				if seen := walk(t, db, f, limit); len(seen) != 90 {
					t.Errorf("%+v, pages of %d: %d movies, want 90", f, limit, len(seen))
				}
			}
		}
	})
}

// walk returns the ids on all pages of a filter.
func walk(t *testing.T, db *catalogue.Catalogue, f movie.Filter, limit int) (all []int64) {
	t.Helper()
	for start := int64(0); ; {
		rows, next, err := db.Movies(t.Context(), f, start, limit)
		if err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		if len(rows) > limit || start > 0 && next >= start {
			t.Fatalf("%+v from %d: %d rows, next %d", f, start, len(rows), next)
		}
		all = append(all, ids(rows)...)
		if next == 0 {
			return all
		}
		start = next
	}
}

func exported(t *testing.T, db *catalogue.Catalogue, f movie.Filter) (all []int64) {
	t.Helper()
	err := db.Export(t.Context(), f, func(int64) error { return nil }, func(rows []movie.Row) error {
		all = append(all, ids(rows)...)
		return nil
	})
	if err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return all
}

func ids(rows []movie.Row) (all []int64) {
	for _, r := range rows {
		all = append(all, r.ID)
	}
	return all
}

// matching defines the meaning of a filter: it returns the ids that Movies must find.
func matching(all []stored, f movie.Filter) (want []int64) {
	for _, m := range all {
		if f.Matches(m.id, m.Movie) {
			want = append(want, m.id)
		}
	}
	return want
}

// shelf returns updates for n movies with few names, and some tombstones.
func shelf(random *rand.Rand, n int) []movie.Update {
	var updates []movie.Update
	for i := range n {
		title := fmt.Sprintf("%s %s %d", words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(n))
		u := cataloguetest.Update(int64(i+1), title, 1930+random.IntN(90), pickNames(random, "actor", 40), pickNames(random, "genre", 6))
		u.Deleted = random.IntN(20) == 0
		if random.IntN(30) == 0 {
			u.Genres = append(u.Genres, crowd(random.IntN(20))...)
		}
		updates = append(updates, u)
	}
	return updates
}

// crowd returns n rare genres.
func crowd(n int) []string {
	var genres []string
	for i := range n {
		genres = append(genres, fmt.Sprint("crowd ", i))
	}
	return genres
}

var words = []string{"Lion", "lions", "Élan", "the", "The", "Spider-Man", "Don't", "日本", "a", "an", "ant", "zebra"}

func pickNames(random *rand.Rand, kind string, of int) []string {
	names := []string{}
	for range random.IntN(4) {
		// Low numbers are the most common.
		name := fmt.Sprint(kind, " ", random.IntN(1+random.IntN(of)))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func randomFilter(random *rand.Rand) movie.Filter {
	var f movie.Filter
	often := func(n int) bool { return random.IntN(n) == 0 }
	if often(3) {
		f.Year = 1930 + random.IntN(90)
	}
	if often(3) {
		f.YearFrom = 1930 + random.IntN(90)
	}
	if often(3) {
		f.YearTo = max(f.YearFrom, 1930+random.IntN(90))
	}
	if often(3) {
		f.Genres = pickNames(random, "genre", 6)
	}
	if often(4) {
		f.Cast = pickNames(random, "actor", 40)
	}
	if often(20) {
		f.Title = "Lion lions 7"
	}
	return f
}

// anyFilter adds conditions that only an index or an export supports.
func anyFilter(random *rand.Rand, f movie.Filter) movie.Filter {
	often := func(n int) bool { return random.IntN(n) == 0 }
	if often(2) {
		f.Words = movie.Words([]string{"lion", "l", "the z", "spider man", "dont", "日", "a", "the 12", "zebra zebra", "none", "elan lion", "123", "29"}[random.IntN(13)])
	}
	if often(4) {
		f.CastAny, f.CastNot = pickNames(random, "actor", 40), pickNames(random, "actor", 40)
	}
	if often(4) {
		f.GenresAny, f.GenresNot = pickNames(random, "genre", 6), pickNames(random, "genre", 6)
	}
	if often(6) {
		for range 100 {
			f.IDs = append(f.IDs, 1+random.Int64N(3500))
		}
	}
	return f
}

// stored is a visible movie.
type stored struct {
	id int64
	movie.Movie
}

// everything reads all visible movies, highest id first.
func everything(t *testing.T, raw *sql.DB) (all []stored) {
	t.Helper()
	for _, r := range databasetest.Query(t, raw, "SELECT id, fields FROM movie WHERE hidden = 0 ORDER BY id DESC", 2) {
		m, err := movie.ParseFields([]byte(r[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stored{int64(atoi(t, r[0])), m})
	}
	return all
}
