package index

import (
	"unicode/utf8"

	"github.com/tidwall/btree"
)

// words is a dictionary of words with the set of each. So many words begin with the same
// one or two letters that these prefixes have sets of their own.
type words struct {
	dictionary
	prefixes *btree.Map[string, set]
}

func newWords() words { return words{prefixes: &btree.Map[string, set]{}} }

// beginning returns the union of the sets of the words with a prefix.
func (w *words) beginning(prefix string) set {
	if utf8.RuneCountInString(prefix) <= longestShort {
		s, _ := w.prefixes.Get(prefix)
		return s
	}
	var sets []set
	for word := range w.withPrefix(prefix) {
		sets = append(sets, w.sets.at(word))
	}
	return union(sets)
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

// wordsWriter builds the next version of words. While it loads the first, it leaves the
// prefixes to commit.
type wordsWriter struct {
	*dictionaryWriter
	prefixes *btree.Map[string, set]
	mine     map[string]bool // prefixes whose sets no version shares yet
}

func (w words) change() *wordsWriter {
	return &wordsWriter{w.dictionary.change(), w.prefixes.Copy(), make(map[string]bool)}
}

func (w *wordsWriter) add(word string, id uint32) {
	w.dictionaryWriter.add(w.number(word), id)
	if w.loading != nil {
		return
	}
	for _, prefix := range shortPrefixes(word) {
		w.prefixes.Set(prefix, w.ownPrefix(prefix).with(id))
	}
}

func (w *wordsWriter) remove(word string, id uint32) {
	w.dictionaryWriter.remove(w.number(word), id)
	if w.loading != nil {
		return
	}
	for _, prefix := range shortPrefixes(word) {
		w.prefixes.Set(prefix, w.ownPrefix(prefix).without(id))
	}
}

func (w *wordsWriter) commit() (words, error) {
	loading := w.loading != nil
	d, err := w.dictionaryWriter.commit()
	if err != nil {
		return words{}, err
	}
	if loading {
		begin := make(map[string][]set)
		for n := range d.n {
			for _, prefix := range shortPrefixes(d.texts.at(n)) {
				begin[prefix] = append(begin[prefix], d.sets.at(n))
			}
		}
		for prefix, sets := range begin {
			w.prefixes.Set(prefix, union(sets).stored())
		}
	}
	return words{d, w.prefixes}, nil
}

// ownPrefix returns the set of a prefix, which may be changed.
func (w *wordsWriter) ownPrefix(prefix string) set {
	s, _ := w.prefixes.Get(prefix)
	if w.mine[prefix] {
		return s
	}
	w.mine[prefix] = true
	return s.clone()
}
