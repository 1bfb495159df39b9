package report

import (
	"slices"
	"time"

	"jpmovies/internal/movie"
)

// Trace reports what is known about the objects that were stored under one key.
type Trace struct {
	Key string `json:"key"`
	// States is a summary, set by Conclude.
	States []string `json:"states"`
	// Waiting is the object in the bucket; nil when it is not there or was not looked for.
	Waiting *Waiting `json:"waiting,omitempty"`
	// BucketError is why the bucket could not be searched.
	BucketError string `json:"bucket_error,omitempty"`
	// Applied are entries of the ingest log, the newest first.
	Applied    []Ingest    `json:"applied"`
	Rejections []Rejection `json:"rejections"`
}

// Waiting is an object that is in the bucket.
type Waiting struct {
	// Settling: the file may still be written, so the other fields are not known yet.
	Settling   bool   `json:"settling"`
	ObjectETag string `json:"object_etag,omitempty"`
	// ObjectTime is its LastModified; nil while it is settling.
	ObjectTime *time.Time `json:"object_time,omitempty"`
	// Size in bytes.
	Size int64 `json:"size,omitempty"`
}

// Ingest is one entry of the ingest log: the part of an object that one transaction
// committed.
type Ingest struct {
	Time       time.Time `json:"time"`
	ObjectETag string    `json:"object_etag"`
	// ObjectTime is the LastModified in the stamps of its updates.
	ObjectTime time.Time `json:"object_time"`
	// First and Last bound the positions in the object; both are 0 when the object
	// holds no update.
	First      int64 `json:"first_position"`
	Last       int64 `json:"last_position"`
	Updates    int   `json:"updates"`
	Changes    int   `json:"changes"`
	Rejections int   `json:"rejections"`
	// Movies are the first movies that its updates concern.
	Movies []Touched `json:"movies"`
}

// Touched is a movie that updates of an object concern.
type Touched struct {
	ID int64 `json:"id"`
	// Revision of the change; 0 when readers saw no change.
	Revision int64 `json:"revision"`
	// SupersededBy is the source of the movie's newest update when no part of the movie
	// comes from the object any more.
	SupersededBy *Source `json:"superseded_by"`
}

// Source is the object that an update came from.
type Source struct {
	Key  string    `json:"key"`
	Time time.Time `json:"time"`
}

// SupersededBy returns the source of a record's newest update, or nil while one of the
// record's stamps is of the object with this key and time.
func SupersededBy(r movie.Record, key string, time movie.Time) *Source {
	newest := r.Updated
	for _, s := range []movie.Stamp{r.Updated, r.Deleted, r.Cast.Stamp, r.Genres.Stamp} {
		if s.Key == key && s.Time == time {
			return nil
		}
		if s.Compare(newest) > 0 {
			newest = s
		}
	}
	return &Source{Key: newest.Key, Time: newest.Time.Time()}
}

// Conclude sets States: waiting, applied or superseded (of every listed movie),
// rejected; or unknown alone.
func (t *Trace) Conclude() {
	t.States = []string{}
	add := func(state string, holds bool) {
		if holds {
			t.States = append(t.States, state)
		}
	}
	applied := slices.ContainsFunc(t.Applied, func(i Ingest) bool { return i.Updates > 0 || i.Rejections == 0 })
	superseded := applied && t.superseded()
	add("waiting", t.Waiting != nil)
	add("applied", applied && !superseded)
	add("superseded", superseded)
	add("rejected", len(t.Rejections) > 0 || slices.ContainsFunc(t.Applied, func(i Ingest) bool { return i.Rejections > 0 }))
	add("unknown", len(t.States) == 0)
}

// Unknown reports whether nothing is known about the key.
func (t *Trace) Unknown() bool { return slices.Contains(t.States, "unknown") }

func (t *Trace) superseded() bool {
	some := false
	for _, i := range t.Applied {
		for _, m := range i.Movies {
			if m.SupersededBy == nil {
				return false
			}
			some = true
		}
	}
	return some
}
