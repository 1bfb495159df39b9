package catalogue_test

import (
	"fmt"
	"testing"

	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// BenchmarkApply commits batches of 500 objects, each with one new movie, to the first server.
func BenchmarkApply(b *testing.B) {
	dsns := databasetest.Servers(b)
	if len(dsns) == 0 {
		b.Skipf("no server: %s is not set", databasetest.Variable)
	}
	db := cataloguetest.Open(b, databasetest.Server(b, dsns[0]))
	n := 0
	for b.Loop() {
		var batch movie.Batch
		for range 500 {
			n++
			key := fmt.Sprintf("incoming/2026/11/24/producer-%02d/%08d-5f3a.json", n%8, n)
			batch.Updates = append(batch.Updates, movie.Update{
				Identity: movie.Identity{Title: fmt.Sprintf("The movie number %d", n*7919%1_000_003), Year: 1950 + n%70},
				Cast:     []string{fmt.Sprint("Actor ", n%997), fmt.Sprint("Actor ", n%4999), fmt.Sprint("Star ", n%101)},
				Genres:   []string{fmt.Sprint("Genre ", n%17), fmt.Sprint("Genre ", 20+n%7)},
				Stamp:    movie.Stamp{Time: movie.Time{Sec: int64(1_700_000_000 + n)}, Key: key, Position: 1},
			})
			batch.Objects = append(batch.Objects, movie.Object{Key: key, ETag: fmt.Sprintf(`"%032x"`, n*2654435761), Time: batch.Updates[len(batch.Updates)-1].Stamp.Time})
		}
		if changes, err := db.Apply(b.Context(), batch); err != nil || changes != 500 {
			b.Fatalf("%d changes, %v", changes, err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "movies/s")
}
