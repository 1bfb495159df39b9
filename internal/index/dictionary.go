package index

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/blevesearch/vellum"
	"github.com/tidwall/btree"

	"jpmovies/internal/movie"
)

// dictionary maps texts to numbers and to sets. Most texts are in an FST, a sorted
// automaton that takes little memory and finds prefixes and misspelt words. An FST cannot
// be changed, so new texts are kept in a map beside it until they are many.
type dictionary struct {
	n      uint32 // number of texts
	unused uint32 // texts that had no movies (or people) when the FST was built
	texts  packed
	sets   vector[set]
	base   *vellum.FST // nil when empty
	fresh  *btree.Map[string, uint32]
}

// find returns the number of a text.
func (d *dictionary) find(text string) (uint32, bool) {
	if d.base != nil {
		if id, found, err := d.base.Get([]byte(text)); err == nil && found {
			return uint32(id), true //nolint:gosec // below n
		}
	}
	if d.fresh == nil {
		return 0, false
	}
	return d.fresh.Get(text)
}

// set returns the set of a text, empty if the text is unknown.
func (d *dictionary) set(text string) set {
	id, found := d.find(text)
	if !found {
		return set{}
	}
	return d.sets.at(id)
}

// withPrefix yields the numbers of the texts with a prefix.
func (d *dictionary) withPrefix(prefix string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if d.base != nil {
			it, err := d.base.Iterator([]byte(prefix), after(prefix))
			for ; err == nil; err = it.Next() {
				_, id := it.Current()
				if !yield(uint32(id)) { //nolint:gosec // below n
					return
				}
			}
		}
		if d.fresh == nil {
			return
		}
		d.fresh.Ascend(prefix, func(text string, id uint32) bool {
			return strings.HasPrefix(text, prefix) && yield(id)
		})
	}
}

// after returns the least text greater than all texts with the prefix, nil if there is
// none.
func after(prefix string) []byte {
	end := bytes.TrimRight([]byte(prefix), "\xff")
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

// like yields the numbers of the texts that an automaton accepts.
func (d *dictionary) like(a *automaton) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if d.base != nil {
			it, err := d.base.Search(a, nil, nil)
			for ; err == nil; err = it.Next() {
				_, id := it.Current()
				if !yield(uint32(id)) { //nolint:gosec // below n
					return
				}
			}
		}
		// As the FST does, this leaves out all texts with a beginning that cannot match.
		for from := []byte{}; d.fresh != nil && from != nil; {
			next := []byte(nil)
			d.fresh.Ascend(string(from), func(text string, id uint32) bool {
				matches, dead := a.run(text)
				if dead > 0 {
					next = after(text[:dead])
					return false
				}
				return !matches || yield(id)
			})
			from = next
		}
	}
}

// appendAll appends the texts of a list of numbers as a JSON array.
func (d *dictionary) appendAll(dst []byte, list ids) []byte {
	dst = append(dst, '[')
	begin := len(dst)
	list.each(func(id uint32) {
		if len(dst) > begin {
			dst = append(dst, `, `...)
		}
		dst = movie.AppendQuoted(dst, d.texts.at(id))
	})
	return append(dst, ']')
}

// dictionaryWriter builds the next version of a dictionary.
type dictionaryWriter struct {
	dictionary
	textsWriter packedWriter
	setsWriter
	loading map[string]uint32 // all texts, while there is no base
}

func (d dictionary) change() *dictionaryWriter {
	w := &dictionaryWriter{dictionary: d, textsWriter: d.texts.change(), setsWriter: changeSets(d.sets, d.n == 0)}
	if d.n == 0 {
		w.loading = make(map[string]uint32)
		return w
	}
	w.fresh = d.fresh.Copy()
	return w
}

// number returns the number of a text, adding the text if it is new.
func (w *dictionaryWriter) number(text string) uint32 {
	id, found := uint32(0), false
	if w.loading != nil {
		id, found = w.loading[text]
	} else {
		id, found = w.find(text)
	}
	if found {
		return id
	}
	id, text = w.n, strings.Clone(text)
	w.n++
	w.textsWriter.set(id, text)
	if w.loading != nil {
		w.loading[text] = id
	} else {
		w.fresh.Set(text, id)
	}
	return id
}

// The FST is rebuilt when the texts beside it are more than mostFresh and more than one in
// freshShare of all.
const (
	mostFresh  = 4096
	freshShare = 8
)

func (w *dictionaryWriter) commit() (dictionary, error) {
	w.texts, w.sets = w.textsWriter.commit(), w.setsWriter.commit()
	if w.loading == nil && w.fresh.Len() <= max(mostFresh, int(w.n)/freshShare) {
		return w.dictionary, nil
	}
	if err := w.rebuild(); err != nil {
		return dictionary{}, fmt.Errorf("build a dictionary of %d texts: %w", w.n, err)
	}
	return w.dictionary, nil
}

// eachChanged calls do for the numbers of the texts whose sets changed; in a first load, of all
// texts.
func (w *dictionaryWriter) eachChanged(do func(uint32)) {
	if w.mine == nil {
		for id := range w.n {
			do(id)
		}
		return
	}
	for id := range w.mine {
		do(id)
	}
}

// rebuild builds an FST of all texts.
func (w *dictionaryWriter) rebuild() error {
	order := make([]uint32, w.n)
	w.unused = 0
	for i := range order {
		order[i] = uint32(i)
		if w.sets.at(uint32(i)).len() == 0 {
			w.unused++
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(w.texts.at(a), w.texts.at(b)) })
	var out bytes.Buffer
	builder, err := vellum.New(&out, nil)
	if err != nil {
		return err
	}
	for _, id := range order {
		if err := builder.Insert([]byte(w.texts.at(id)), uint64(id)); err != nil {
			return errors.Join(err, builder.Close())
		}
	}
	if err := builder.Close(); err != nil {
		return err
	}
	w.base, err = vellum.Load(bytes.Clone(out.Bytes()))
	w.fresh, w.loading = &btree.Map[string, uint32]{}, nil
	return err
}
