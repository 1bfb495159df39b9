package index

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/tidwall/btree"

	"jpmovies/internal/movie"
)

// Builder builds the next version of an index. It is for one goroutine. Its changes show
// in the version that Commit returns, and in none before.
type Builder struct {
	from    *Index
	records recordsWriter
	all     *roaring.Bitmap
	years   setsWriter

	words, people, peopleWords, genres *dictionaryWriter
	prefixes                           *btree.Map[string, set]
	minePrefixes                       map[string]bool
	shown, hidden                      []uint32 // movies to add to the order of titles, and to remove from it
}

// New returns a builder of an empty index.
func New() *Builder {
	return (&Index{all: roaring.New(), prefixes: &btree.Map[string, set]{}, titles: newTitleOrder()}).Change()
}

// Change returns a builder of the next version.
func (x *Index) Change() *Builder {
	return &Builder{
		from: x, records: x.records.change(), all: x.all.Clone(), years: changeSets(x.years.sets, x.revision == 0),
		words: x.words.change(), people: x.people.change(), peopleWords: x.peopleWords.change(), genres: x.genres.change(),
		prefixes: x.prefixes.Copy(), minePrefixes: make(map[string]bool),
	}
}

// Put sets a visible movie. Title and year of an id never change.
func (b *Builder) Put(id int64, m movie.Movie) error {
	n, err := number(id)
	if err != nil {
		return err
	}
	cast, genres := b.numberPeople(m.Cast), numberAll(b.genres, m.Genres)
	var oldCast, oldGenres []uint32
	if b.all.Contains(n) {
		oldCast, oldGenres = b.records.at(n).names()
	} else {
		b.show(n, m.Identity)
	}
	difference(oldCast, cast, func(person uint32) { b.people.remove(person, n) }, func(person uint32) { b.people.add(person, n) })
	difference(oldGenres, genres, func(genre uint32) { b.genres.remove(genre, n) }, func(genre uint32) { b.genres.add(genre, n) })
	b.records.set(n, makeRecord(m.Identity, cast, genres))
	return nil
}

// Hide hides a movie, or adds a hidden one, after which a page may still begin.
func (b *Builder) Hide(id int64, identity movie.Identity) error {
	n, err := number(id)
	if err != nil {
		return err
	}
	if b.all.Contains(n) {
		cast, genres := b.records.at(n).names()
		difference(cast, nil, func(person uint32) { b.people.remove(person, n) }, nil)
		difference(genres, nil, func(genre uint32) { b.genres.remove(genre, n) }, nil)
		b.all.Remove(n)
		b.years.remove(uint32(identity.Year), n) //nolint:gosec // 1 to 9999
		for _, word := range distinct(movie.Words(identity.Title)) {
			b.words.remove(b.words.number(word), n)
			for _, prefix := range shortPrefixes(word) {
				b.prefixes.Set(prefix, b.ownPrefix(prefix).without(n))
			}
		}
		b.hidden = append(b.hidden, n)
	}
	b.records.set(n, makeRecord(identity, nil, nil))
	return nil
}

// show makes a movie visible, except for its names.
func (b *Builder) show(n uint32, identity movie.Identity) {
	b.all.Add(n)
	b.years.add(uint32(identity.Year), n) //nolint:gosec // 1 to 9999
	for _, word := range distinct(movie.Words(identity.Title)) {
		b.words.add(b.words.number(word), n)
		for _, prefix := range shortPrefixes(word) {
			b.prefixes.Set(prefix, b.ownPrefix(prefix).with(n))
		}
	}
	b.shown = append(b.shown, n)
}

// Commit returns the version that holds the changes up to a revision.
func (b *Builder) Commit(revision int64) (*Index, error) {
	x := &Index{revision: revision, records: b.records.commit(), all: b.all, years: yearsOf(b.years.commit()), prefixes: b.prefixes, titles: b.from.titles.copy()}
	for _, d := range []struct {
		to   *dictionary
		from *dictionaryWriter
	}{{&x.words, b.words}, {&x.people, b.people}, {&x.peopleWords, b.peopleWords}, {&x.genres, b.genres}} {
		var err error
		if *d.to, err = d.from.commit(); err != nil {
			return nil, err
		}
	}
	x.titles.records.Store(&x.records)
	if b.from.revision == 0 && x.titles.tree.Len() == 0 {
		x.titles.load(set{many: b.all})
		return x, nil
	}
	// A movie may have been shown and hidden, or the other way round.
	for _, n := range b.hidden {
		if !b.all.Contains(n) {
			x.titles.tree.Delete(x.titles.item(n))
		}
	}
	for _, n := range b.shown {
		if b.all.Contains(n) {
			x.titles.tree.Set(x.titles.item(n))
		}
	}
	return x, nil
}

func yearsOf(sets vector[set]) years {
	y := years{sets: sets}
	for page := range sets.pages {
		for i := range pageSize {
			if year := page*pageSize + i; sets.at(uint32(year)).len() > 0 {
				y.list = append(y.list, year)
			}
		}
	}
	return y
}

func number(id int64) (uint32, error) {
	if id < 1 || id >= math.MaxUint32 {
		return 0, fmt.Errorf("movie %d: %w", id, ErrID)
	}
	return uint32(id), nil
}

func (b *Builder) numberPeople(names []string) []uint32 {
	numbers := make([]uint32, len(names))
	for i, name := range names {
		before := b.people.n
		numbers[i] = b.people.number(name)
		if b.people.n > before {
			for _, word := range distinct(movie.Words(name)) {
				b.peopleWords.add(b.peopleWords.number(word), numbers[i])
			}
		}
	}
	return numbers
}

func numberAll(d *dictionaryWriter, names []string) []uint32 {
	numbers := make([]uint32, len(names))
	for i, name := range names {
		numbers[i] = d.number(name)
	}
	return numbers
}

func (b *Builder) ownPrefix(prefix string) set {
	s, _ := b.prefixes.Get(prefix)
	if b.minePrefixes[prefix] {
		return s
	}
	b.minePrefixes[prefix] = true
	return s.clone()
}

// longestShort is the greatest length, in letters, of the short prefixes, which have a set
// of their own because so many words begin with them.
const longestShort = 2

// shortPrefixes returns the first letter and the first two letters of a word.
func shortPrefixes(word string) []string {
	prefixes := make([]string, 0, longestShort)
	for end := 0; end < len(word) && len(prefixes) < longestShort; {
		_, size := utf8.DecodeRuneInString(word[end:])
		end += size
		prefixes = append(prefixes, word[:end])
	}
	return prefixes
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

// difference calls goes for the elements that only before has, and comes for those that
// only after has.
func difference(before, after []uint32, goes, comes func(uint32)) {
	for _, id := range before {
		if !slices.Contains(after, id) {
			goes(id)
		}
	}
	for _, id := range after {
		if !slices.Contains(before, id) {
			comes(id)
		}
	}
}

// names returns the numbers of the cast and of the genres.
func (r record) names() (cast, genres []uint32) {
	_, _, lists := r.open()
	lists = lists.each(func(id uint32) { cast = append(cast, id) })
	lists.each(func(id uint32) { genres = append(genres, id) })
	return cast, genres
}
