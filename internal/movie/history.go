package movie

import "slices"

// Changed is the set of effects of a change on a movie. Its values are stored.
type Changed uint8

// The effects of a change. Created, Deleted and Restored stand alone.
const (
	// Created: the movie is new.
	Created Changed = 1 << iota
	// Deleted: a tombstone hides the movie.
	Deleted
	// Restored: an update newer than the tombstone shows the movie again.
	Restored
	// CastChanged and GenresChanged: the names or their order changed.
	CastChanged
	GenresChanged
)

var changedNames = []string{"created", "deleted", "restored", "cast", "genres"}

// Names returns the effects as words; none when they are not known.
func (c Changed) Names() []string {
	names := []string{}
	for i, name := range changedNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Difference returns the effects that readers see between a record and the next one; 0
// when there are none. The record of a movie without a row is zero.
func Difference(before, after Record) Changed {
	switch {
	case after.ShowsSame(before):
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
