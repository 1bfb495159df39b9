package database_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestMoviesEqualsModel walks random filters over a random catalogue, page by
// page, and compares with a slow model in memory: the same ids in the same order.
func TestMoviesEqualsModel(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := databasetest.Open(t, o)
		random := rand.New(rand.NewPCG(7, 8))
		if _, err := db.Apply(t.Context(), movie.Batch{Updates: shelf(random, 3000)}); err != nil {
			t.Fatal(err)
		}
		all := everything(t, db)
		for i := range 300 {
			f := randomFilter(random)
			if i%2 == 1 {
				f.Genres = []string{fmt.Sprint("genre ", random.IntN(6)), fmt.Sprint("genre ", random.IntN(6))}
			}
			limit := 40 + random.IntN(300)
			if i%7 == 0 {
				limit = 1 + random.IntN(5)
			}
			if i%14 == 0 { // few titles have it
				f = movie.Filter{Words: movie.Words([]string{"12", "123", "29"}[random.IntN(3)]), Year: f.Year, Cast: []string{"actor 0"}}
				if i%28 == 0 {
					f.Cast, f.Genres = nil, []string{"genre 0"}
				}
			}
			if i == 50 {
				db.SearchLittle()
			}
			if i == 200 { // a program that does not know of pairs has written since
				raw := databasetest.Raw(t, o)
				exec(t, raw, "UPDATE catalogue SET paired = paired - 1")
				exec(t, raw, "DELETE FROM movie_genre_pair")
				exec(t, raw, fmt.Sprintf("UPDATE movie_genre SET beginnings = %d WHERE movie_id > 1000", movie.AnyBeginnings))
				exec(t, raw, fmt.Sprintf("UPDATE movie_word SET beginnings = %d WHERE movie_id > 2000", movie.AnyBeginnings))
			}
			var want, got []int64
			for _, r := range all {
				if m, err := movie.ParseFields(r.Fields); err != nil {
					t.Fatal(err)
				} else if f.Matches(m) {
					want = append(want, r.ID)
				}
			}
			for start := int64(0); ; {
				page, err := db.Movies(t.Context(), f, start, limit)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				for _, r := range page {
					got = append(got, r.ID)
				}
				if len(page) < limit {
					break
				}
				start = page[len(page)-1].ID
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%+v, limit %d: %d ids, want %d\n%v\n%v", f, limit, len(got), len(want), got, want)
			}
		}
	})
}

// TestSurplusLinks: links of movies that are not there, or hidden, which only a
// damaged catalogue has, neither show nor end a page.
func TestSurplusLinks(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := databasetest.Open(t, o)
		var updates []movie.Update
		for i := range 100 {
			u := update(1, fmt.Sprint("T ", i), 2000+i%2, nil, []string{"G", "H"})
			u.Deleted = i%10 == 9
			updates = append(updates, u)
		}
		apply(t, db, updates...)
		raw := databasetest.Raw(t, o)
		for id := 10; id < 1000; id += 10 {
			exec(t, raw, fmt.Sprintf("INSERT INTO movie_genre_pair (name, movie_id, year) VALUES ('G\\0H', %d, %d)", id, 2000+id/10%2))
		}
		exec(t, raw, "INSERT INTO movie_genre_pair (name, movie_id, year) VALUES ('', 1, 2000)")
		f := movie.Filter{Genres: []string{"G", "H"}, YearFrom: 2000, YearTo: 2001}
		for _, words := range []string{"", "t"} {
			f.Words = movie.Words(words)
			for _, limit := range []int{1, 7, 1000} {
				seen := 0
				for start := int64(0); ; {
					page, err := db.Movies(t.Context(), f, start, limit)
					if err != nil {
						t.Fatal(err)
					}
					seen += len(page)
					if len(page) < limit {
						break
					}
					start = page[len(page)-1].ID
				}
				if seen != 90 {
					t.Errorf("q=%s, pages of %d: %d movies, want 90", words, limit, seen)
				}
			}
		}
	})
}

// shelf is so many movies with few names, and some tombstones.
func shelf(random *rand.Rand, n int) []movie.Update {
	var updates []movie.Update
	for i := range n {
		title := fmt.Sprintf("%s %s %d", words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(n))
		u := update(int64(i+1), title, 1930+random.IntN(90), pickNames(random, "actor", 40), pickNames(random, "genre", 6))
		u.Deleted = random.IntN(20) == 0
		if random.IntN(30) == 0 {
			u.Genres = append(u.Genres, crowd(random.IntN(20))...)
		}
		updates = append(updates, u)
	}
	return updates
}

// crowd is so many genres that nobody else has.
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
		// The first of a kind are the most common.
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
	if often(2) {
		f.Words = movie.Words([]string{"lion", "l", "the z", "spider man", "dont", "日", "a", "the 12", "zebra zebra", "none", "elan lion", "123", "29"}[random.IntN(13)])
	}
	if often(20) {
		f.Title = "Lion lions 7"
	}
	return f
}

func everything(t *testing.T, db *database.DB) []movie.Row {
	t.Helper()
	all, err := db.Movies(t.Context(), movie.Filter{}, 0, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(all, func(a, b movie.Row) int { return int(b.ID - a.ID) }) {
		t.Error("ids do not fall")
	}
	return all
}
