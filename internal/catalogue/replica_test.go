package catalogue_test

import (
	"net"
	"testing"
	"time"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestMissingWithoutPrimary: when the primary does not answer, the newest change of the replica
// tells how old that is at most.
func TestMissingWithoutPrimary(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().(*net.TCPAddr).Port
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range databasetest.Servers(t) {
		o := databasetest.Server(t, dsn)
		db := cataloguetest.Open(t, o)
		o.ReplicaHost, o.ReplicaPort, o.Port = o.Host, o.Port, port
		engine, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = engine.Close() }()
		alone := catalogue.New(engine)
		if since, err := alone.Missing(t.Context()); err == nil || !since.IsZero() {
			t.Errorf("without changes: %v, %v", since, err)
		}
		batch := movie.Batch{Updates: []movie.Update{{Identity: movie.Identity{Title: "A", Year: 2000}, Stamp: movie.Stamp{Key: "a", Position: 1}}}}
		if _, err := db.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if since, err := alone.Missing(t.Context()); err == nil || time.Since(since) > time.Hour {
			t.Errorf("after a change: %v, %v", since, err)
		}
	}
}
