package report

import (
	"time"

	"jpmovies/internal/movie"
)

// Origins says which update set each part of a stored movie, visible or deleted.
type Origins struct {
	ID      int64    `json:"id"`
	Title   string   `json:"title"`
	Year    int      `json:"year"`
	Visible bool     `json:"visible"`
	Parts   []Origin `json:"parts"`
}

// Origin is the update that set one part of a movie.
type Origin struct {
	// Part is deleted (the tombstone), updated (the newest update), cast or genres.
	Part string `json:"part"`
	Source
	// Position of the update in its object, from 1.
	Position int64 `json:"position"`
}

// OriginsOf returns the origins of the parts that are set, the newest update first.
func OriginsOf(r movie.Record) []Origin {
	all := []Origin{}
	for _, p := range []struct {
		name  string
		stamp movie.Stamp
	}{{"updated", r.Updated}, {"deleted", r.Deleted}, {"cast", r.Cast.Stamp}, {"genres", r.Genres.Stamp}} {
		if !p.stamp.IsZero() {
			all = append(all, Origin{p.name, Source{p.stamp.Key, p.stamp.Time.Time()}, p.stamp.Position})
		}
	}
	return all
}

// Event is one change in the history of a movie.
type Event struct {
	Revision int64
	Time     time.Time
	// Changed is 0 when it is not known.
	Changed movie.Changed
}
