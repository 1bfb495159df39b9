package movie

import "slices"

// Record is the sum of a set of updates of one movie.
//
// Each part carries the stamp of the update that set it. Parts older than the tombstone
// are dropped, so each is either zero or not older than Deleted.
type Record struct {
	Identity
	Cast   Names
	Genres Names
	// Updated is the stamp of the newest update that is no tombstone; zero while a newer
	// tombstone hides the movie.
	Updated Stamp
	// Deleted is the stamp of the newest tombstone.
	Deleted Stamp
}

// Names is one list of a record, with the stamp of the update that set it.
type Names struct {
	List  []string
	Stamp Stamp
}

// Record returns the update as a record.
func (u Update) Record() Record {
	r := Record{Identity: u.Identity}
	if u.Deleted {
		r.Deleted = u.Stamp
		return r
	}
	r.Updated = u.Stamp
	if u.Cast != nil {
		r.Cast = Names{List: u.Cast, Stamp: u.Stamp}
	}
	if u.Genres != nil {
		r.Genres = Names{List: u.Genres, Stamp: u.Stamp}
	}
	return r
}

// Merge joins two records of one movie. It is commutative, associative and idempotent, so
// a catalogue depends on the set of updates alone. earlier and later name the order in
// which the caller applies the records, not that of their stamps. It counts only where two
// different updates carry equal stamps (one key overwritten within the resolution of
// LastModified): then later wins.
//
// A part survives if its stamp is newer than the tombstone's. If both stamps are equal,
// the one in later wins.
func Merge(earlier, later Record) Record {
	// survives: a part of earlier outlives later's tombstone. arrives: a part of later
	// outlives earlier's tombstone.
	survives := func(s Stamp) bool { return s.Compare(later.Deleted) > 0 }
	arrives := func(s Stamp) bool { return s.Compare(earlier.Deleted) >= 0 }
	names := func(a, b Names) Names {
		if !survives(a.Stamp) {
			a = Names{}
		}
		if !arrives(b.Stamp) || b.Stamp.Compare(a.Stamp) < 0 {
			return a
		}
		return b
	}
	merged := Record{
		Identity: earlier.Identity,
		Cast:     names(earlier.Cast, later.Cast),
		Genres:   names(earlier.Genres, later.Genres),
		Updated:  names(Names{Stamp: earlier.Updated}, Names{Stamp: later.Updated}).Stamp,
		Deleted:  earlier.Deleted,
	}
	if later.Deleted.Compare(merged.Deleted) > 0 {
		merged.Deleted = later.Deleted
	}
	return merged
}

// Visible reports whether readers see the movie: an update has survived its tombstone.
func (r Record) Visible() bool { return !r.Updated.IsZero() }

// Movie returns the movie that a visible record shows.
func (r Record) Movie() Movie {
	return Movie{Identity: r.Identity, Cast: r.Cast.List, Genres: r.Genres.List}
}

// SameStamps reports whether all stamps are equal. Two overwrites within the resolution of
// LastModified may have equal stamps and show different lists.
func (r Record) SameStamps(other Record) bool {
	return r.Updated == other.Updated && r.Deleted == other.Deleted &&
		r.Cast.Stamp == other.Cast.Stamp && r.Genres.Stamp == other.Genres.Stamp
}

// ShowsSame reports whether readers see the same in both records.
func (r Record) ShowsSame(other Record) bool {
	if r.Visible() != other.Visible() {
		return false
	}
	return !r.Visible() || slices.Equal(r.Cast.List, other.Cast.List) && slices.Equal(r.Genres.List, other.Genres.List)
}

// Collect merges updates into one record per movie, in the order in which the
// movies first appear.
func Collect(updates []Update) []Record {
	records := make([]Record, 0, len(updates))
	at := make(map[Identity]int, len(updates))
	for _, u := range updates {
		i, known := at[u.Identity]
		if !known {
			at[u.Identity] = len(records)
			records = append(records, u.Record())
			continue
		}
		records[i] = Merge(records[i], u.Record())
	}
	return records
}
