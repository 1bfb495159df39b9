// Command mirror keeps a copy of the catalogue in memory and prints each change:
//
//	go run ./examples/mirror http://127.0.0.1:8080
package main

import (
	"context"
	"fmt"
	"iter"
	"log"
	"os"

	"jpmovies/client"
)

type movies map[int64]client.Movie

// Replace implements client.Copy.
func (m movies) Replace(_ context.Context, revision int64, all iter.Seq2[client.Movie, error]) error {
	clear(m)
	for movie, err := range all {
		if err != nil {
			return err
		}
		m[movie.ID] = movie
	}
	fmt.Println(len(m), "movies at revision", revision)
	return nil
}

// Apply implements client.Copy.
func (m movies) Apply(_ context.Context, changes []client.Change) error {
	for _, c := range changes {
		if c.Movie == nil {
			fmt.Println(c.Revision, "deleted", m[c.ID].Title)
			delete(m, c.ID)
		} else {
			fmt.Println(c.Revision, "stored", c.Movie.Title)
			m[c.ID] = *c.Movie
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: mirror ADDRESS")
	}
	api, err := client.New(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(api.Mirror(context.Background(), 0, movies{}))
}
