package movie

import (
	"slices"
	"time"
)

// Trace is what is known about an object: all that had its key.
type Trace struct {
	Key string `json:"key"`
	// States sum it up, see Conclude.
	States []string `json:"states"`
	// Waiting is the object in the bucket, if somebody looked and it is there.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Applied is what was committed, the newest first.
	Applied []Ingest `json:"applied"`
	// Rejections of its updates.
	Rejections []StoredRejection `json:"rejections"`
}

// Waiting is an object that is in the bucket.
type Waiting struct {
	// Settling: it may still be being written, and no more is known yet.
	Settling   bool   `json:"settling"`
	ObjectETag string `json:"object_etag,omitempty"`
	// ObjectTime is its LastModified; nil while it is settling.
	ObjectTime *time.Time `json:"object_time,omitempty"`
	Size       int64      `json:"size,omitempty"`
}

// Ingest is one entry of the ingest log: an object, or as much of it as one
// transaction committed.
type Ingest struct {
	Time       time.Time `json:"time"`
	ObjectETag string    `json:"object_etag"`
	// ObjectTime is the LastModified that its updates are compared by.
	ObjectTime time.Time `json:"object_time"`
	// First and Last are the positions in the object that it is about; 0 when the
	// object holds nothing.
	First      int64 `json:"first_position"`
	Last       int64 `json:"last_position"`
	Updates    int   `json:"updates"`
	Changes    int   `json:"changes"`
	Rejections int   `json:"rejections"`
	// Movies are the first ones that it is about.
	Movies []Touched `json:"movies"`
}

// Touched is a movie that an object is about.
type Touched struct {
	ID int64 `json:"id"`
	// Revision of the change; 0 when nothing changed for readers.
	Revision int64 `json:"revision"`
	// SupersededBy is the newest update of the movie, when nothing that is known
	// of it is from the object any more.
	SupersededBy *Source `json:"superseded_by"`
}

// Source is the object that an update came from.
type Source struct {
	Key  string    `json:"key"`
	Time time.Time `json:"time"`
}

// SupersededBy tells by which update a record has superseded all that an object
// said; nil while one of its stamps is the object's.
func (r Record) SupersededBy(key string, time Time) *Source {
	newest := r.Updated
	for _, s := range []Stamp{r.Updated, r.Deleted, r.Cast.Stamp, r.Genres.Stamp} {
		if s.Key == key && s.Time == time {
			return nil
		}
		if s.Compare(newest) > 0 {
			newest = s
		}
	}
	return &Source{Key: newest.Key, Time: newest.Time.Time()}
}

// Conclude sets States: waiting, applied or superseded (when that is so of every
// movie listed), rejected; unknown when there is nothing.
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

// Unknown tells whether there is nothing.
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
