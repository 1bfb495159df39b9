// Package catalogue stores the catalogue in SQL tables. They are the truth; everything
// else is derived from them.
//
//	movie        one row per movie ever heard of: its JSON, ready to send, and its stamps
//	movie_cast   (name, movie)
//	movie_genre  (name, movie)
//	change_log   one row per change, numbered by the revision
//	ingest       one row per object, or per part of a large one: what became of it
//	rejection, worker_status, catalogue (the revision, one row)
//
// With its index on, the API answers lists, movies and counts from a mirror in memory
// (package index), which reads [Catalogue.Snapshot] and [Catalogue.Since]. SQL answers
// exports, histories, changes and the status, and with the index off also single movies
// and pages: a page is a scan of one range of one SQL index, by descending id.
// The database decides nothing: [Catalogue.Apply] locks the rows, lets [movie.Merge]
// say what they become, and stores that, all in one transaction.
package catalogue

import (
	"time"

	"jpmovies/internal/database"
)

// Catalogue is the catalogue in a database. It is safe for concurrent use.
type Catalogue struct {
	db *database.DB
}

// New returns the catalogue in a database whose schema is migrated before it is used.
func New(db *database.DB) *Catalogue { return &Catalogue{db} }

// Times are stored as milliseconds since 1970; 0 means none.

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
