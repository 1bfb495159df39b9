// Package movie holds the nouns of the catalogue and its one law.
//
// Producers say what they know about a movie in an [Update]. All updates about
// one [Identity] are joined by [Merge] into a [Record]; what a record shows is a
// [Movie]. Merge gives the same record whatever the order, the repetition or the
// grouping of the updates, which is why the rest of the system may retry, crash
// and run in parallel. The package does no I/O and imports nothing of ours.
package movie

import (
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrNotFound says that no visible movie has the id that was asked for.
var ErrNotFound = errors.New("no such movie")

// MinYear and MaxYear bound the year of a movie.
const (
	MinYear = 1
	MaxYear = 9999
)

// Identity is what makes two updates concern the same movie. Title is clean (see
// [Clean]), Year is from MinYear to MaxYear.
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

// Movie is what a visible record shows.
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
