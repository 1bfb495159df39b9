// Package cataloguetest opens catalogues for tests.
package cataloguetest

import (
	"testing"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// Open opens and migrates a catalogue that is closed when the test ends.
func Open(t testing.TB, o database.Options) *catalogue.Catalogue {
	t.Helper()
	return catalogue.New(databasetest.Open(t, o))
}

// Update is an update of one movie at a time that grows with the position.
func Update(position int64, title string, year int, cast, genres []string) movie.Update {
	return movie.Update{
		Identity: movie.Identity{Title: title, Year: year}, Cast: cast, Genres: genres,
		Stamp: movie.Stamp{Time: movie.Time{Sec: position}, Key: "key", Position: 1},
	}
}
