// Package movie holds the nouns of the catalogue and its one law.
//
// Producers send updates ([Update]). [Merge] joins all updates of one [Identity] into a
// [Record], and a visible record shows a [Movie]. Merge gives the same record for any
// order, repetition or grouping of updates with different stamps, so the rest of the
// system may retry, crash and run in parallel. Of different updates with equal stamps, the
// one applied later wins. The package does no I/O and imports no other package of this
// module.
package movie

import (
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrNotFound is returned when there is no such movie; each method says whether deleted
// ones count. Catalogue.Rejection returns it when there is no such rejection.
var ErrNotFound = errors.New("no such movie")

// MinYear and MaxYear bound the year of a movie.
const (
	MinYear = 1
	MaxYear = 9999
)

// Identity identifies a movie: updates with equal identities concern the same one. Title
// is clean (see [Clean]), Year is from MinYear to MaxYear.
type Identity struct {
	Title string
	Year  int
}

// Compare orders identities by title bytes, then year: the order in which
// every writer locks rows.
func (i Identity) Compare(other Identity) int {
	if c := strings.Compare(i.Title, other.Title); c != 0 {
		return c
	}
	return i.Year - other.Year
}

// Movie is a movie as readers see it.
type Movie struct {
	Identity
	Cast   []string
	Genres []string
}

// Clean trims Unicode white space and normalises to NFC. Every title and name
// passes through it, in updates and in filters, so that matching can be by bytes.
func Clean(text string) string {
	return norm.NFC.String(strings.TrimSpace(text))
}
