package index

import (
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// Kind is what a suggestion leads to.
type Kind string

// The kinds of suggestions.
const (
	KindMovie  Kind = "movie"
	KindPerson Kind = "person"
	KindGenre  Kind = "genre"
)

// Suggestion is what somebody who types may mean.
type Suggestion struct {
	Kind Kind
	// Text is a title or a name.
	Text string
	// ID and Year are a movie's; Movies is how many a person or a genre has.
	ID     int64
	Year   int
	Movies int
}

// Suggest returns up to limit movies, people and genres whose titles and names have
// the words, the last one as a prefix; the best first: those that have the same words,
// then those that have the last one whole, then the others; and of these one of each
// kind in turn, people and genres with more movies and newer movies first. Only where
// nothing has the words, as few of their letters as possible are corrected.
func (x *Index) Suggest(words []string, limit int) []Suggestion {
	most := 0
	for _, word := range words {
		most = max(most, typos(word))
	}
	for errors := range most + 1 {
		if found := x.suggestWith(words, errors, limit); len(found) > 0 {
			return found[:min(len(found), limit)]
		}
	}
	return nil
}

// suggestWith finds what needs up to so many corrections of each word.
func (x *Index) suggestWith(words []string, errors, limit int) []Suggestion {
	var classes [movie.MatchPrefix + 1][3][]Suggestion // by kind
	for _, g := range x.suggestGenres(words, errors) {
		c := movie.Filter{Words: words}.Match(g.Text)
		classes[c][0] = append(classes[c][0], g)
	}
	people := x.near(&x.peopleWords, nil, words, errors)
	for c, best := range x.suggestPeople(people, words, limit) {
		classes[c][1] = best
	}
	movies := x.near(&x.words, x.prefixes.Get, words, errors)
	for c, class := range x.matchClasses(movies, movie.Filter{Words: words}) {
		p := &page{limit: limit}
		p.take(class, 0)
		for _, id := range p.ids {
			classes[c][2] = append(classes[c][2], x.suggestMovie(uint32(id))) //nolint:gosec // from the set
		}
	}
	var found []Suggestion
	for _, kinds := range classes {
		for i := range limit {
			for _, some := range kinds {
				if i < len(some) {
					found = append(found, some[i])
				}
			}
		}
	}
	return found
}

func (x *Index) suggestMovie(id uint32) Suggestion {
	title, year, _ := x.records.at(id).open()
	return Suggestion{Kind: KindMovie, Text: title, ID: int64(id), Year: year}
}

// near is the sets' members that have all words, each with up to so many corrections,
// as its letters allow; the last one as a prefix.
func (x *Index) near(d *dictionary, short func(string) (set, bool), words []string, errors int) set {
	var found set
	for i, word := range words {
		last := i == len(words)-1
		s := near(d, short, word, min(errors, typos(word)), last)
		if i > 0 {
			s = found.and(s, true)
		}
		if found = s; found.len() == 0 {
			return set{}
		}
	}
	return found
}

func near(d *dictionary, short func(string) (set, bool), word string, errors int, prefix bool) set {
	if errors == 0 && !prefix {
		return d.set(word)
	}
	if prefix && short != nil && len(shortPrefixes(word)) > 0 && shortPrefixes(word)[len(shortPrefixes(word))-1] == word {
		s, _ := short(word)
		return s
	}
	var sets []set
	each := d.withPrefix(word)
	if errors > 0 {
		each = d.like(newAutomaton(word, errors, prefix))
	}
	for id := range each {
		if s := d.sets.at(id); s.len() > 0 {
			sets = append(sets, s)
		}
	}
	if len(sets) == 0 {
		return set{}
	}
	return union(sets)
}

// suggestPeople returns the people with the most movies of each class. Whose name is
// just what was typed is told of all who have the last word whole, while these are
// few, else of the best of them.
func (x *Index) suggestPeople(people set, words []string, limit int) (classes [movie.MatchPrefix + 1][]Suggestion) {
	whole := people.and(x.peopleWords.set(words[len(words)-1]), true)
	isSame := func(id uint32) bool {
		return movie.Filter{Words: words}.Match(x.people.texts.at(id)) == movie.MatchSame
	}
	tops := [...]ranking{{x: x, limit: limit}, {x: x, limit: limit}, {x: x, limit: limit}}
	offer := func(class movie.Match, id uint32) {
		if n := x.people.sets.at(id).len(); n > 0 {
			tops[class].offer(id, n)
		}
	}
	few := whole.len() <= mostSorted
	whole.each(func(id uint32) {
		if few && isSame(id) {
			offer(movie.MatchSame, id)
		} else {
			offer(movie.MatchWhole, id)
		}
	})
	people.and(whole, false).each(func(id uint32) { offer(movie.MatchPrefix, id) })
	for c := range tops {
		best, _ := tops[c].best()
		for _, p := range best {
			classes[c] = append(classes[c], Suggestion{Kind: KindPerson, Text: p.Name, Movies: p.Movies})
		}
	}
	return classes
}

// suggestGenres goes through all genres: they are few.
func (x *Index) suggestGenres(words []string, errors int) (found []Suggestion) {
	automata := make([]*automaton, len(words))
	for i, word := range words {
		automata[i] = newAutomaton(word, min(errors, typos(word)), i == len(words)-1)
	}
	for genre := range x.genres.n {
		text, n := x.genres.texts.at(genre), x.genres.sets.at(genre).len()
		names := movie.Words(text)
		has := func(a *automaton) bool { return slices.ContainsFunc(names, a.matches) }
		if n > 0 && !slices.ContainsFunc(automata, func(a *automaton) bool { return !has(a) }) {
			found = append(found, Suggestion{Kind: KindGenre, Text: text, Movies: n})
		}
	}
	slices.SortFunc(found, func(a, b Suggestion) int {
		if a.Movies != b.Movies {
			return b.Movies - a.Movies
		}
		return strings.Compare(a.Text, b.Text)
	})
	return found
}

func joined(words []string) string { return strings.Join(words, " ") }
