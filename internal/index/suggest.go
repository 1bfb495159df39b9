package index

import (
	"slices"

	"jpmovies/internal/movie"
)

// Kind is the kind of thing that a suggestion names.
type Kind string

// The kinds of suggestions.
const (
	KindMovie  Kind = "movie"
	KindPerson Kind = "person"
	KindGenre  Kind = "genre"
)

// Suggestion is a completion of typed text.
type Suggestion struct {
	Kind Kind
	// Text is a title or a name.
	Text string
	// ID and Year belong to a movie; Movies is the number of movies of a person or a
	// genre.
	ID     int64
	Year   int
	Movies int
}

// Suggest returns up to limit movies, people and genres whose titles and names have the
// words, the last one as a prefix. It orders them by:
//
// 1. their match: the same words, then the last word whole, then the others;
//
// 2. kinds in turn;
//
// 3. people and genres with more movies, newer movies.
//
// Only if nothing has the words, it corrects as few letters as possible.
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

// suggestWith finds matches with up to a number of corrections in each word.
func (x *Index) suggestWith(words []string, errors, limit int) []Suggestion {
	var classes [movie.MatchPrefix + 1][3][]Suggestion // by kind
	for i, of := range [...]struct {
		kind  Kind
		names *lexicon
	}{{KindGenre, &x.genres}, {KindPerson, &x.people}} {
		for c, best := range of.names.suggest(of.kind, words, errors, limit) {
			classes[c][i] = best
		}
	}
	movies := near(&x.words, words, errors, x.titles.title)
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
	return Suggestion{Kind: KindMovie, Text: x.titles.title(id), ID: int64(id), Year: x.years.at(id)}
}

// near returns the members of the sets that have all words, each with up to a number of
// corrections as its length allows, the last one as a prefix. Once few are left, it looks
// for misspelt words in their texts, not in all words.
func near(w *words, typed []string, errors int, text func(id uint32) string) set {
	last := len(typed) - 1
	typed = append(distinct(typed[:last:last]), typed[last])
	var found set
	for i, word := range typed {
		prefix, errors := i == len(typed)-1, min(errors, typos(word))
		switch {
		case i == 0:
			found = w.near(word, errors, prefix)
		case errors > 0 && found.len() <= mostSorted:
			a := newAutomaton(word, errors, prefix)
			found = found.having(func(id uint32) bool { return slices.ContainsFunc(movie.Words(text(id)), a.matches) })
		default:
			found = found.and(w.near(word, errors, prefix), true)
		}
		if found.len() == 0 {
			return set{}
		}
	}
	return found
}

// near returns the union of the sets of the words that are like one.
func (w *words) near(word string, errors int, prefix bool) set {
	switch {
	case errors == 0 && prefix:
		return w.beginning(word)
	case errors == 0:
		return w.set(word)
	}
	var sets []set
	for id := range w.like(newAutomaton(word, errors, prefix)) {
		sets = append(sets, w.sets.at(id))
	}
	return union(sets)
}

// suggest returns the names with the most movies of each match.
func (l *lexicon) suggest(kind Kind, words []string, errors, limit int) (classes [movie.MatchPrefix + 1][]Suggestion) {
	names := near(&l.words, words, errors, l.texts.at)
	whole := names.and(l.words.set(words[len(words)-1]), true)
	isSame := func(id uint32) bool {
		return movie.Filter{Words: words}.Match(l.texts.at(id)) == movie.MatchSame
	}
	tops := [...]*ranking{newRanking(l, limit), newRanking(l, limit), newRanking(l, limit)}
	offer := func(class movie.Match, id uint32) {
		tops[class].offer(id, int(l.counts.at(id)))
	}
	whole.each(func(id uint32) {
		if isSame(id) {
			offer(movie.MatchSame, id)
		} else {
			offer(movie.MatchWhole, id)
		}
	})
	names.and(whole, false).each(func(id uint32) { offer(movie.MatchPrefix, id) })
	for c := range tops {
		best, _ := tops[c].best()
		for _, p := range best {
			classes[c] = append(classes[c], Suggestion{Kind: kind, Text: p.Name, Movies: p.Movies})
		}
	}
	return classes
}
