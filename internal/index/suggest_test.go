package index_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

// build makes an index of movies written as "title (year) | cast, ... | genres, ...".
func build(t *testing.T, lines ...string) *index.Index {
	t.Helper()
	b := index.New()
	for i, line := range lines {
		parts := strings.Split(line, " | ")
		var m movie.Movie
		title, year, _ := strings.Cut(parts[0], " (")
		m.Title = title
		if _, err := fmt.Sscanf(year, "%d", &m.Year); err != nil {
			t.Fatal(err)
		}
		if len(parts) > 1 {
			m.Cast = strings.Split(parts[1], ", ")
		}
		if len(parts) > 2 {
			m.Genres = strings.Split(parts[2], ", ")
		}
		if err := b.Put(int64(i+1), m); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Commit(int64(len(lines)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestSuggest(t *testing.T) {
	x := build(t,
		"Interstellar (2014) | Matthew McConaughey, Anne Hathaway | Science Fiction, Drama",
		"Stellar (1999) | Tom Hanks | Drama",
		"The Matrix (1999) | Keanu Reeves | Action, Science Fiction",
		"Matrix (1993) | Nick Mancuso | Drama",
		"The Matrix Reloaded (2003) | Keanu Reeves | Action",
		"Cast Away (2000) | Tom Hanks, Helen Hunt | Drama",
		"Big (1988) | Tom Hanks | Comedy",
		"Tom (2002) | Tom Hardy | Drama",
		"Dramatic (1970)",
		"Amélie (2001) | Audrey Tautou | Comedy",
		"Матрица (2000) | Киану Ривз | Драма",
		"千と千尋の神隠し (2001)",
	)
	for typed, want := range map[string]string{
		"interstellar":    "movie Interstellar",
		"intersteller":    "movie Interstellar",                                        // one letter replaced
		"nterstellar":     "movie Interstellar",                                        // one letter missing
		"intersstellar":   "movie Interstellar",                                        // one letter too many
		"itnerstellar":    "movie Interstellar",                                        // two letters swapped
		"itnersteller":    "movie Interstellar",                                        // two errors
		"interstelxxx":    "",                                                          // three errors
		"intresste":       "movie Interstellar",                                        // while typing, with an error
		"amelei":          "movie Am\u00e9lie",                                         // no accent, two letters swapped
		"tom hanks":       "person Tom Hanks 3",                                        //
		"hanks tom":       "person Tom Hanks 3",                                        //
		"tom hnaks":       "person Tom Hanks 3",                                        //
		"tom h":           "person Tom Hanks 3, person Tom Hardy 1",                    // the person with more movies first
		"matrix":          "movie Matrix, movie The Matrix Reloaded, movie The Matrix", // the exact title, then the newest
		"drama":           "genre Drama 5, movie Dramatic",                             //
		"dramma":          "genre Drama 5, movie Dramatic",                             //
		"tom":             "movie Tom, person Tom Hanks 3, person Tom Hardy 1",
		"big":             "movie Big",
		"bgi":             "", // words of three letters must match exactly
		"sci":             "genre Science Fiction 2",
		"fiction science": "genre Science Fiction 2",
		"xyz":             "",
		// The distance counts letters, not bytes.
		"матаица":  "movie Матрица",
		"мтарица":  "movie Матрица",
		"маттрица": "movie Матрица",
		"мтраица":  "", // two errors in a word of seven letters
		"万と千尋の神隠し": "movie 千と千尋の神隠し",
		"千千尋の神隠し":  "movie 千と千尋の神隠し",
	} {
		var got []string
		for _, s := range x.Suggest(movie.Words(typed), 8) {
			text := fmt.Sprint(s.Kind, " ", s.Text)
			if s.Kind != index.KindMovie {
				text += fmt.Sprint(" ", s.Movies)
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := x.Suggest([]string{"m"}, 2); len(got) != 2 {
		t.Errorf("a limit of 2 gives %v", got)
	}
}

// TestFreshWords: words that are newer than the dictionary are found like the others, even if they
// are so many that the index rebuilds the dictionary.
func TestFreshWords(t *testing.T) {
	x := build(t, "Alpha (2000)")
	for round, n := range []int{1, 10, 6000} {
		b := x.Change()
		for i := range n {
			id := int64(round*10_000 + i + 2)
			if err := b.Put(id, movie.Movie{Identity: movie.Identity{Title: fmt.Sprintf("word%dx%d end", round, i), Year: 2000}, Cast: []string{fmt.Sprint("name", id)}}); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if x, err = b.Commit(int64(round + 2)); err != nil {
			t.Fatal(err)
		}
		last := fmt.Sprintf("word%dx%d", round, n-1)
		for _, words := range [][]string{{last}, {last[:6]}, {"end", last}, {"alpha"}} {
			found, err := x.Search(movie.Filter{Words: words}, movie.SortNewest, 0, 1)
			if err != nil || found.Total == 0 {
				t.Errorf("round %d: %q is not found: %+v, %v", round, words, found, err)
			}
		}
		typed := strings.Replace(last, "word", "wrod", 1)
		if got := x.Suggest([]string{typed}, 20); !slices.ContainsFunc(got, func(s index.Suggestion) bool { return strings.HasPrefix(s.Text, last) }) {
			t.Errorf("round %d: %q suggests %v", round, typed, got)
		}
	}
}

// TestSuggestNewTexts: texts that came with changes are found as those of a load are, and texts that
// went are not.
func TestSuggestNewTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		letters := make([]rune, 1+r.IntN(9))
		for i := range letters {
			letters[i] = []rune("abcé神𠮷")[r.IntN(6)]
		}
		return string(letters)
	}
	for range 6 {
		loaded, first := index.New(), index.New()
		movies := make([]movie.Movie, 200)
		for i := range movies {
			movies[i] = movie.Movie{Identity: movie.Identity{Title: word() + " " + word(), Year: 2000}, Cast: []string{word() + " " + word()}}
		}
		old := 1 + r.IntN(50)
		put := func(b *index.Builder, from, to int) {
			for i := from; i < to; i++ {
				if err := b.Put(int64(i+1), movies[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		commit := func(b *index.Builder) *index.Index {
			x, err := b.Commit(1)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		goes := r.IntN(old)
		put(loaded, goes, len(movies))
		put(first, 0, old)
		next := commit(first).Change()
		put(next, old, len(movies))
		for i := range goes {
			if err := next.Hide(int64(i+1), movies[i].Identity); err != nil {
				t.Fatal(err)
			}
		}
		want, got := commit(loaded), commit(next)
		for range 100 {
			typed := movie.Words(word())
			if r.IntN(3) == 0 {
				typed = append(typed, movie.Words(word())...)
			}
			if diff := cmp.Diff(want.Suggest(typed, 8), got.Suggest(typed, 8)); diff != "" {
				t.Fatalf("%q: %s", typed, diff)
			}
		}
	}
}

// TestSuggestForgets: people without movies do not change what is suggested of others, however many
// they are. A name with the very words that were typed comes first.
func TestSuggestForgets(t *testing.T) {
	const smiths = 4000
	b := index.New()
	for id := range int64(smiths) {
		cast := []string{fmt.Sprint("Smith ", id), fmt.Sprint("Popular Smith ", id%20)}
		if id == 0 {
			cast = append(cast, "Smith")
		}
		if err := b.Put(id+1, movie.Movie{Identity: movie.Identity{Title: fmt.Sprint("Film ", id), Year: 2000}, Cast: cast}); err != nil {
			t.Fatal(err)
		}
	}
	for step := range 2 {
		x, err := b.Commit(int64(step + 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Suggest([]string{"smith"}, 3); len(got) != 3 || got[0].Text != "Smith" || got[1].Text != "Popular Smith 0" {
			t.Errorf("step %d: %v", step, got)
		}
		isGone := func(s index.Suggestion) bool { return s.Text == "Smith 3999" }
		if got := x.Suggest([]string{"smith", "3999"}, 8); slices.ContainsFunc(got, isGone) != (step == 0) {
			t.Errorf("step %d: %v", step, got)
		}
		b = x.Change()
		for id := range int64(smiths) {
			if id%100 == 99 {
				if err := b.Hide(id+1, movie.Identity{Title: fmt.Sprint("Film ", id), Year: 2000}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestSuggestManyWords: words that are typed again, and many at once, are found like few.
func TestSuggestManyWords(t *testing.T) {
	x := build(t, "Christian christian qqqq rrrrrrrr ssss (2000)", "Christian rrrrrrrr (2001)", "Christina ssss (2002)")
	for typed, want := range map[string]int64{
		strings.Repeat("christian ", 60) + "qqqq": 1, strings.Repeat("christian ", 60) + "qqqx": 1, "christian christina ssss": 3,
		"ssss rrrrrrrx qqqq christian christia": 1, "christin christin ssts": 3, "christian christian christian xxxx": 0,
	} {
		got := x.Suggest(movie.Words(typed), 8)
		switch {
		case want == 0 && len(got) > 0, want > 0 && (len(got) == 0 || !slices.ContainsFunc(got, func(s index.Suggestion) bool { return s.ID == want })):
			t.Errorf("%q: %v, want movie %d", typed, got, want)
		}
	}
}
