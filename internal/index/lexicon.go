package index

import "jpmovies/internal/movie"

// lexicon is a dictionary of names with the movies of each, and of the words of the names that
// have movies.
type lexicon struct {
	dictionary
	counts vector[uint32] // movies of each name; faster to read than its set
	words  words
}

func newLexicon() lexicon { return lexicon{words: newWords()} }

// lexiconWriter builds the next version of a lexicon.
type lexiconWriter struct {
	*dictionaryWriter
	counts vectorWriter[uint32]
	words  *wordsWriter
}

func (l lexicon) change() *lexiconWriter {
	return &lexiconWriter{l.dictionary.change(), l.counts.change(), l.words.change()}
}

// numbers returns the numbers of names, adding those that are new.
func (w *lexiconWriter) numbers(names []string) []uint32 {
	numbers := make([]uint32, len(names))
	for i, name := range names {
		numbers[i] = w.number(name)
	}
	return numbers
}

// add adds a movie to a name.
func (w *lexiconWriter) add(name, id uint32) {
	if w.at(name).len() == 0 {
		w.eachWordOf(name, w.words.add)
	}
	w.dictionaryWriter.add(name, id)
}

// remove removes a movie from a name.
func (w *lexiconWriter) remove(name, id uint32) {
	w.dictionaryWriter.remove(name, id)
	if w.at(name).len() == 0 {
		w.eachWordOf(name, w.words.remove)
	}
}

func (w *lexiconWriter) eachWordOf(name uint32, do func(word string, name uint32)) {
	for _, word := range distinct(movie.Words(w.textsWriter.at(name))) {
		do(word, name)
	}
}

func (w *lexiconWriter) commit() (l lexicon, err error) {
	if l.dictionary, err = w.dictionaryWriter.commit(); err != nil {
		return lexicon{}, err
	}
	w.eachChanged(func(name uint32) { w.counts.set(name, uint32(l.sets.at(name).len())) }) //nolint:gosec // ids are below 2^32
	l.counts = w.counts.vector
	l.words, err = w.words.commit()
	return l, err
}
