package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"jpmovies/client"
	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/decode"
	"jpmovies/internal/movie"
)

// address is that of an API with the demo's films.
var address string

func TestMain(m *testing.M) {
	code, err := withFilms(m.Run)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

// withFilms runs an API on a SQLite file with the demo's films.
func withFilms(run func() int) (code int, err error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	logger := slog.New(slog.DiscardHandler)
	db, err := database.Open(database.Options{File: filepath.Join(dir, "movies.sqlite"), Create: true, Logger: logger})
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Migrate(ctx); err != nil {
		return 0, err
	}
	films, err := os.ReadFile("../cmd/jpmovies/films.ndjson")
	if err != nil {
		return 0, err
	}
	records := catalogue.New(db)
	err = decode.Read(bytes.NewReader(films), func(item decode.Item) error {
		_, err := records.Apply(ctx, movie.Batch{Updates: []movie.Update{item.Update}}) // one by one, for ids in their order
		return err
	})
	if err != nil {
		return 0, err
	}
	a := api.New(api.Options{Catalogue: records, Source: records, Logger: logger, Staleness: 10 * time.Millisecond, CacheBytes: 1 << 20, Exports: 4})
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	defer running.Wait()
	defer stop()
	server := httptest.NewServer(a)
	defer server.Close()
	address = server.URL
	return run(), nil
}

func Example() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	query := client.Query{Filter: client.Filter{Genre: []string{"Science Fiction"}, YearTo: 1999}, Sort: "year"}
	for m, err := range movies.Movies(context.Background(), query) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Year, m.Title)
	}
	// Output:
	// 1927 Metropolis
	// 1968 2001: A Space Odyssey
	// 1979 Alien
	// 1982 Blade Runner
	// 1985 Back to the Future
	// 1999 The Matrix
}

func ExampleClient_Movie() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	m, err := movies.Movie(context.Background(), 31)
	fmt.Println(m.Title, m.Genres, err)
	_, err = movies.Movie(context.Background(), 99)
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// The Matrix [Action Science Fiction] <nil>
	// true
}

func ExampleClient_Count() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(movies.Count(context.Background(), client.Filter{GenreAny: []string{"Action", "Drama"}}))
	// Output: 15 <nil>
}

func ExampleClient_People() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	for p, err := range movies.People(context.Background(), client.PeopleQuery{Name: "mark"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Name, p.Movies, p.FirstYear, p.LastYear)
	}
	// Output:
	// Mark Ruffalo 2 2015 2017
	// Mark Zei 2 2020 2021
}

func ExampleClient_Suggest() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	found, err := movies.Suggest(context.Background(), "matrx", 0)
	fmt.Println(found, err)
	// Output: [{movie The Matrix 1999 0}] <nil>
}

func ExampleClient_Changes() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	for change, err := range movies.Changes(context.Background(), 34) { // goes on for ever
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Revision, change.Movie.Title)
		if change.Revision == 36 {
			break
		}
	}
	// Output:
	// 35 Inception
	// 36 Moonlight
}

// memory is a copy in memory.
type memory map[int64]client.Movie

func (m memory) Replace(_ context.Context, revision int64, movies iter.Seq2[client.Movie, error]) error {
	fresh := memory{}
	for movie, err := range movies {
		if err != nil {
			return err
		}
		fresh[movie.ID] = movie
	}
	clear(m)
	maps.Copy(m, fresh)
	fmt.Println(len(m), "movies at revision", revision)
	return errEnough
}

func (m memory) Apply(_ context.Context, changes []client.Change) error {
	for _, change := range changes {
		if change.Movie == nil {
			delete(m, change.ID)
		} else {
			m[change.ID] = *change.Movie
		}
	}
	return nil
}

var errEnough = errors.New("enough for an example")

func ExampleClient_Mirror() {
	movies, err := client.New(address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(movies.Mirror(context.Background(), 0, memory{}))
	// Output:
	// 36 movies at revision 36
	// enough for an example
}
