// Package index holds the visible movies at one revision in memory and answers lists,
// single movies, counts, people and suggestions without a database. Exports, histories and
// changes come from package catalogue.
//
//	words       word of a title -> movies              (q)
//	people      name -> movies, word -> people         (cast, people, suggestions)
//	genres      name -> movies, word -> genres         (genre, suggestions)
//	years       year and decade -> movies, id -> year
//	titles      id -> title, movies in the order of their titles
//	names       id -> numbers of genres and cast
//
// An [Index] is immutable. A [Builder] builds the next version from it, and both share
// what did not change. So readers need no locks, and a reader that holds an Index sees
// exactly one revision.
package index

import (
	"errors"
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"jpmovies/internal/movie"
)

// ErrID is returned for an id that is too large for the index.
var ErrID = errors.New("the index holds ids up to 4294967294; set MOVIES_API_INDEX=off to answer by SQL")

// Index is the catalogue at one revision. It is safe for concurrent use.
type Index struct {
	revision int64
	names    packed // by id
	all      *roaring.Bitmap
	years    years

	words          words
	people, genres lexicon
	titles         *titleOrder
}

// Revision returns the number of changes that the index holds.
func (x *Index) Revision() int64 { return x.revision }

// Len returns the number of visible movies.
func (x *Index) Len() int { return int(x.all.GetCardinality()) } //nolint:gosec // ids are below 2^32

// wasteful reports whether most texts of a dictionary, and more than there are movies, are
// unused: the movies that had them have changed. A dictionary only grows, so a load makes it
// smaller. Fewer are not worth the memory of a second index.
func (x *Index) wasteful() bool {
	for _, d := range []*dictionary{&x.words.dictionary, &x.people.dictionary, &x.people.words.dictionary, &x.genres.dictionary, &x.genres.words.dictionary} {
		if int(d.unused) > max(mostFresh, x.Len()) && d.unused > d.n/2 {
			return true
		}
	}
	return false
}

// AppendFields appends the JSON members of a visible movie, as [movie.Movie.AppendFields]
// does. found reports whether there is one.
func (x *Index) AppendFields(dst []byte, id int64) (_ []byte, found bool) {
	if !x.visible(id) {
		return dst, false
	}
	n := uint32(id) //nolint:gosec // visible ids are
	genres, cast := x.namesOf(n)
	dst = movie.AppendIdentity(dst, x.titles.title(n), x.years.at(n))
	dst = x.people.appendAll(append(dst, `, "cast": `...), cast)
	return x.genres.appendAll(append(dst, `, "genres": `...), genres), true
}

// namesOf returns the numbers of a movie's genres and cast.
func (x *Index) namesOf(id uint32) (genres, cast ids) { return names(x.names.at(id)).lists() }

func (x *Index) visible(id int64) bool {
	return id > 0 && id <= math.MaxUint32 && x.all.Contains(uint32(id))
}
