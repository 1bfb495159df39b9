package index_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"jpmovies/internal/index"
	"jpmovies/internal/movie"
)

var benchMovies = flag.Int("movies", 36_000, "how many movies the benchmarked index holds")

// invented makes movies with a realistic distribution: 23 genres, 160,000 words, and one person
// for every three movies. A few of each are in many movies.
type invented struct {
	random              *rand.Rand
	words, people, kind *rand.Zipf
	names               map[uint64]string
}

func invent(movies int) *invented {
	r := rand.New(rand.NewPCG(1, 2))
	return &invented{
		r, rand.NewZipf(r, 1.2, 20, 160_000), rand.NewZipf(r, 1.1, 200, uint64(max(10, movies/3))), rand.NewZipf(r, 1.4, 3, 22), map[uint64]string{},
	}
}

// word makes a word of one to four syllables from a number.
func word(n uint64) string {
	text := ""
	for n = n*2654435761%(1<<30) + 1; n > 0 && len(text) < 10; n /= 85 {
		text += string("bcdfghklmnprstvwz"[n%17]) + string("aeiou"[n/17%5])
	}
	return text
}

func (i *invented) movie() movie.Movie {
	m := movie.Movie{Identity: movie.Identity{Title: word(i.words.Uint64()), Year: 2026 - int(float64(130)*i.random.Float64()*i.random.Float64())}}
	for range i.random.IntN(4) {
		m.Title += " " + word(i.words.Uint64())
	}
	for range i.random.IntN(9) {
		m.Cast = append(m.Cast, i.person(i.people.Uint64()))
	}
	for range 1 + i.random.IntN(3) {
		m.Genres = append(m.Genres, fmt.Sprint("Genre ", i.kind.Uint64()))
	}
	slices.Sort(m.Genres)
	m.Genres = slices.Compact(m.Genres)
	slices.Sort(m.Cast)
	m.Cast = slices.Compact(m.Cast)
	return m
}

func (i *invented) person(n uint64) string {
	name, known := i.names[n]
	if !known {
		name = word(n%3001) + " " + word(n)
		i.names[n] = name
	}
	return name
}

// question is one kind of request.
type question struct {
	name string
	ask  func(x *index.Index, like movie.Movie)
}

func questions(r *rand.Rand, movies int64) []question {
	var buffer []byte
	search := func(order movie.Sort, filter func(like movie.Movie) movie.Filter) func(*index.Index, movie.Movie) {
		return func(x *index.Index, like movie.Movie) {
			start := int64(0)
			if r.IntN(2) == 0 {
				start = 1 + r.Int64N(movies)
			}
			found, _ := x.Search(filter(like), order, start, 25)
			for _, id := range found.IDs {
				buffer, _ = x.AppendFields(buffer[:0], id)
			}
		}
	}
	filters := []struct {
		name string
		of   func(like movie.Movie) movie.Filter
	}{
		{"none", func(movie.Movie) movie.Filter { return movie.Filter{} }},
		{"genre", func(m movie.Movie) movie.Filter { return movie.Filter{Genres: m.Genres[:1]} }},
		{"two_genres", func(m movie.Movie) movie.Filter { return movie.Filter{Genres: m.Genres} }},
		{"never_meet", func(movie.Movie) movie.Filter { return movie.Filter{Genres: []string{"Genre 0", "none"}} }},
		{"cast", func(m movie.Movie) movie.Filter { return movie.Filter{Cast: m.Cast} }},
		{"years", func(m movie.Movie) movie.Filter {
			return movie.Filter{Genres: m.Genres[:1], YearFrom: m.Year, YearTo: m.Year + 30}
		}},
		{"any_not", func(m movie.Movie) movie.Filter {
			return movie.Filter{GenresAny: m.Genres, GenresNot: []string{"Genre 1"}}
		}},
		{"words", func(m movie.Movie) movie.Filter { return movie.Filter{Words: movie.Words(m.Title)} }},
		{"letter", func(m movie.Movie) movie.Filter { return movie.Filter{Words: []string{m.Title[:1]}} }},
		{"three_letters", func(m movie.Movie) movie.Filter { return movie.Filter{Words: []string{m.Title[:min(3, len(m.Title))]}} }},
		{"title", func(m movie.Movie) movie.Filter { return movie.Filter{Title: m.Title} }},
	}
	var all []question
	for _, f := range filters {
		for _, order := range []movie.Sort{movie.SortNewest, movie.SortLastYear, movie.SortTitle} {
			all = append(all, question{fmt.Sprint("page/", order, "/", f.name), search(order, f.of)})
		}
		all = append(all,
			question{"genres/" + f.name, func(x *index.Index, like movie.Movie) { x.Genres(f.of(like)) }},
			question{"years/" + f.name, func(x *index.Index, like movie.Movie) { x.Years(f.of(like)) }},
			question{"people/" + f.name, func(x *index.Index, like movie.Movie) { _, _ = x.People(f.of(like), nil, "", 25) }})
	}
	person := func(m movie.Movie) string { return append(m.Cast, "nobody at all")[0] }
	return append(all,
		question{"page/match/letter", search(movie.SortMatch, filters[8].of)}, question{"page/match/words", search(movie.SortMatch, filters[7].of)},
		question{"people/named", func(x *index.Index, m movie.Movie) { _, _ = x.People(movie.Filter{}, movie.Words(person(m)), "", 25) }},
		question{"people/named_letter", func(x *index.Index, m movie.Movie) { _, _ = x.People(movie.Filter{}, []string{person(m)[:1]}, "", 25) }},
		question{"suggest/title", func(x *index.Index, m movie.Movie) { x.Suggest(movie.Words(m.Title), 8) }},
		question{"suggest/typo", func(x *index.Index, m movie.Movie) { x.Suggest(movie.Words("xq"+m.Title), 8) }},
		question{"suggest/person", func(x *index.Index, m movie.Movie) { x.Suggest(movie.Words(person(m)), 8) }},
		question{"suggest/letter", func(x *index.Index, m movie.Movie) { x.Suggest([]string{m.Title[:1]}, 8) }})
}

// BenchmarkIndex loads an index, asks every kind of question, and changes it:
//
//	go test ./internal/index -run "^$" -bench Index -benchtime 1x -movies 1100000
func BenchmarkIndex(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as the API does
	movies := int64(*benchMovies)
	made := invent(int(movies))
	began := time.Now()
	builder := index.New()
	var likes []movie.Movie
	for id := int64(1); id <= movies; id++ {
		m := made.movie()
		if id%(movies/1000+1) == 0 {
			likes = append(likes, m)
		}
		if err := builder.Put(id, m); err != nil {
			b.Fatal(err)
		}
	}
	x, err := builder.Commit(movies)
	if err != nil {
		b.Fatal(err)
	}
	builder = nil
	b.Logf("%d movies, made and loaded in %s", movies, time.Since(began).Round(time.Millisecond))
	made.names = map[uint64]string{}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.Logf("%d bytes a movie", int64(memory.HeapAlloc)/movies)
	r := rand.New(rand.NewPCG(3, 4))
	for _, q := range questions(r, movies) {
		b.Run(q.name, func(b *testing.B) {
			const asked = 200
			for range b.N {
				times := make([]time.Duration, asked)
				for i := range times {
					like := likes[r.IntN(len(likes))]
					began := time.Now()
					q.ask(x, like)
					times[i] = time.Since(began)
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[asked/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(times[asked*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
	b.Run("change_5000", func(b *testing.B) {
		for n := range b.N {
			next := x.Change()
			for range 5000 {
				id := 1 + r.Int64N(movies)
				fields, _ := x.AppendFields(nil, id)
				m, err := movie.ParseFields(fields)
				if err != nil {
					b.Fatal(err)
				}
				m.Genres, m.Cast = made.movie().Genres, made.movie().Cast
				if err := next.Put(id, m); err != nil {
					b.Fatal(err)
				}
			}
			if x, err = next.Commit(movies + int64(n) + 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
