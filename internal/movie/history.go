package movie

import (
	"slices"
	"time"
)

// Changed says what a change did to a movie: a set. Its values are stored.
type Changed uint8

// What a change may do. One that creates, deletes or restores says nothing of
// single fields.
const (
	// Created: readers see the movie, and its row is new.
	Created Changed = 1 << iota
	// Deleted: a tombstone hides it.
	Deleted
	// Restored: an update newer than a tombstone shows it.
	Restored
	// CastChanged and GenresChanged: another list, or another order.
	CastChanged
	GenresChanged
)

var changedNames = []string{"created", "deleted", "restored", "cast", "genres"}

// ChangedNames are all words that Names uses.
func ChangedNames() []string { return slices.Clone(changedNames) }

// Names are the words for what changed; none when it is not known.
func (c Changed) Names() []string {
	names := []string{}
	for i, name := range changedNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Difference is what changes for readers from one record to the one that
// follows; 0 when they see the same. Before a movie has a row, its record is zero.
func Difference(before, after Record) Changed {
	switch {
	case after.Shows(before):
		return 0
	case !after.Visible():
		return Deleted
	case before.Visible():
		var c Changed
		if !slices.Equal(before.Cast.List, after.Cast.List) {
			c |= CastChanged
		}
		if !slices.Equal(before.Genres.List, after.Genres.List) {
			c |= GenresChanged
		}
		return c
	case before.Deleted.IsZero():
		return Created
	}
	return Restored
}

// Event is one change in the history of a movie.
type Event struct {
	Revision int64
	Time     time.Time
	// Changed is 0 when it is not known.
	Changed Changed
}
