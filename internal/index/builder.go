package index

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"jpmovies/internal/movie"
)

// Builder builds the next version of an index. It is for one goroutine. Its changes show
// in the version that Commit returns, and in none before.
type Builder struct {
	from       *Index
	titleTexts packedWriter         // see titles
	beginnings vectorWriter[uint64] // see titles
	titleKeys  packedWriter         // see titles
	names      packedWriter
	all        *roaring.Bitmap
	years      yearsWriter

	words          *wordsWriter
	people, genres *lexiconWriter
	shown, hidden  []uint32 // movies to add to the order of titles, and to remove from it
}

// New returns a builder of an empty index.
func New() *Builder {
	return (&Index{all: roaring.New(), words: newWords(), people: newLexicon(), genres: newLexicon(), titles: newTitleOrder()}).Change()
}

// Change returns a builder of the next version.
func (x *Index) Change() *Builder {
	known := x.titles.titles.Load()
	return &Builder{
		from: x, titleTexts: known.texts.change(), beginnings: known.beginnings.change(), titleKeys: known.keys.change(), names: x.names.change(), all: x.all.Clone(), years: x.years.change(x.revision == 0),
		words: x.words.change(), people: x.people.change(), genres: x.genres.change(),
	}
}

// Put sets a visible movie. Title and year of an id never change.
func (b *Builder) Put(id int64, m movie.Movie) error {
	return b.apply(change{id: id, movie: m})
}

// Hide hides a movie, or adds a hidden one, after which a page may still begin.
func (b *Builder) Hide(id int64, identity movie.Identity) error {
	return b.apply(change{id: id, movie: movie.Movie{Identity: identity}, hidden: true})
}

// change is a movie as it is now; of a hidden one only its identity.
type change struct {
	id     int64
	movie  movie.Movie
	hidden bool
}

func (b *Builder) apply(changes ...change) error {
	if err := b.setTitles(changes); err != nil {
		return err
	}
	return b.setNames(changes)
}

// setTitles and setNames apply the two halves of changes. They use different fields of the
// Builder, so each may have a goroutine of its own.
func (b *Builder) setTitles(changes []change) error {
	for _, c := range changes {
		n, err := number(c.id)
		if err != nil {
			return err
		}
		if c.hidden {
			b.hide(n, c.movie.Identity)
		} else {
			b.show(n, c.movie.Identity)
		}
	}
	return nil
}

func (b *Builder) setNames(changes []change) error {
	for _, c := range changes {
		n, err := number(c.id)
		if err != nil {
			return err
		}
		cast, genres := b.people.numbers(c.movie.Cast), b.genres.numbers(c.movie.Genres)
		oldGenres, oldCast := names(b.names.at(n)).lists()
		movie.EachChange(oldCast.all(), cast, func(person uint32) { b.people.remove(person, n) }, func(person uint32) { b.people.add(person, n) })
		movie.EachChange(oldGenres.all(), genres, func(genre uint32) { b.genres.remove(genre, n) }, func(genre uint32) { b.genres.add(genre, n) })
		b.names.set(n, string(makeNames(genres, cast)))
	}
	return nil
}

// show makes a movie visible.
func (b *Builder) show(n uint32, identity movie.Identity) {
	if !b.all.CheckedAdd(n) {
		return
	}
	words := movie.Words(identity.Title)
	b.identify(n, identity, words)
	b.years.add(identity.Year, n)
	for _, word := range distinct(words) {
		b.words.add(word, n)
	}
	b.shown = append(b.shown, n)
}

// hide makes a movie invisible.
func (b *Builder) hide(n uint32, identity movie.Identity) {
	words := movie.Words(identity.Title)
	b.identify(n, identity, words)
	if !b.all.CheckedRemove(n) {
		return
	}
	b.years.remove(identity.Year, n)
	for _, word := range distinct(words) {
		b.words.remove(word, n)
	}
	b.hidden = append(b.hidden, n)
}

// identify sets what orders a movie, visible or not.
func (b *Builder) identify(n uint32, identity movie.Identity, titleWords []string) {
	if b.years.of.at(n) > 0 { // known; it never changes
		return
	}
	b.titleTexts.set(n, identity.Title)
	b.beginnings.set(n, beginningOf(titleWords))
	if len(identity.Title) > longTitle {
		b.titleKeys.set(n, movie.KeyOf(titleWords))
	}
	b.years.of.set(n, uint16(identity.Year)) //nolint:gosec // 1 to 9999
}

// Commit returns the version that holds the changes up to a revision.
func (b *Builder) Commit(revision int64) (*Index, error) {
	x := &Index{revision: revision, names: b.names.commit(), all: b.all, years: b.years.commit(), titles: b.from.titles.copy()}
	var errs [3]error
	x.words, errs[0] = b.words.commit()
	x.people, errs[1] = b.people.commit()
	x.genres, errs[2] = b.genres.commit()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	x.titles.titles.Store(&titles{b.titleTexts.commit(), b.beginnings.vector, b.titleKeys.commit()})
	if b.from.revision == 0 && x.titles.tree.Len() == 0 {
		x.titles.load(set{many: b.all})
		return x, nil
	}
	// A movie may have been shown and hidden, or the other way round.
	for _, n := range b.hidden {
		if !b.all.Contains(n) {
			x.titles.tree.Delete(n)
		}
	}
	for _, n := range b.shown {
		if b.all.Contains(n) {
			x.titles.tree.Set(n)
		}
	}
	return x, nil
}

func number(id int64) (uint32, error) {
	if id < 1 || id >= math.MaxUint32 {
		return 0, fmt.Errorf("movie %d: %w", id, ErrID)
	}
	return uint32(id), nil
}

func distinct(words []string) []string {
	for i := 1; i < len(words); i++ {
		if slices.Contains(words[:i], words[i]) {
			words = slices.Clone(words)
			slices.Sort(words)
			return slices.Compact(words)
		}
	}
	return words
}
