package index

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/tidwall/btree"

	"jpmovies/internal/movie"
)

// titleOrder orders the visible movies by [movie.TitleKey], then by the highest id.
type titleOrder struct {
	tree *btree.BTreeG[uint32]
	// titles holds the titles of the newest version. They are right for every version,
	// because title and year of an id never change (see Builder.Put).
	titles *atomic.Pointer[titles]
}

// titles holds the titles of all movies, visible or not. The first eight bytes of their
// keys usually suffice to compare two movies without making their keys. The keys of long
// titles are stored: making one may take a millisecond, since letters may fold to many.
type titles struct {
	texts      packed
	beginnings vector[uint64]
	keys       packed
}

// longTitle is in bytes.
const longTitle = 48

func newTitleOrder() *titleOrder {
	o := &titleOrder{titles: &atomic.Pointer[titles]{}}
	o.titles.Store(&titles{})
	o.tree = btree.NewBTreeGOptions(func(a, b uint32) bool { return o.compare(a, b) < 0 }, btree.Options{NoLocks: true})
	return o
}

func (o *titleOrder) copy() *titleOrder { return &titleOrder{tree: o.tree.Copy(), titles: o.titles} }

func (t *titles) key(id uint32) string {
	title := t.texts.at(id)
	if len(title) > longTitle {
		return t.keys.at(id)
	}
	return movie.TitleKey(title)
}

func (o *titleOrder) title(id uint32) string { return o.titles.Load().texts.at(id) }

func (o *titleOrder) key(id uint32) string { return o.titles.Load().key(id) }

// beginningOf returns the first eight bytes of the key of a title with these words.
func beginningOf(words []string) uint64 {
	first := make([]byte, 0, 64)
	for i, word := range words {
		if i > 0 {
			first = append(first, ' ')
		}
		if first = append(first, word...); len(first) >= 8 {
			break
		}
	}
	return binary.BigEndian.Uint64(append(first, make([]byte, 8)...))
}

func (o *titleOrder) compare(a, b uint32) int {
	t := o.titles.Load()
	if x, y := t.beginnings.at(a), t.beginnings.at(b); x != y || a == b {
		return cmp.Compare(x, y)
	}
	if t.texts.at(a) == t.texts.at(b) { // making keys takes longer
		return cmp.Compare(b, a)
	}
	return cmp.Or(strings.Compare(t.key(a), t.key(b)), cmp.Compare(b, a))
}

// load fills an empty order. It sorts by the beginnings of the keys, and makes whole keys
// only of those that begin alike.
func (o *titleOrder) load(movies set) {
	type item struct {
		beginning uint64
		id        uint32
	}
	t := o.titles.Load()
	items := make([]item, 0, movies.len())
	movies.each(func(id uint32) { items = append(items, item{t.beginnings.at(id), id}) })
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.beginning, b.beginning) })
	for len(items) > 0 {
		first := items[0].beginning
		alike := slices.IndexFunc(items, func(i item) bool { return i.beginning != first })
		if alike < 0 {
			alike = len(items)
		}
		if alike > 1 {
			keys := make(map[uint32]string, alike)
			for _, i := range items[:alike] {
				keys[i.id] = t.key(i.id)
			}
			slices.SortFunc(items[:alike], func(a, b item) int {
				return cmp.Or(strings.Compare(keys[a.id], keys[b.id]), cmp.Compare(b.id, a.id))
			})
		}
		for _, i := range items[:alike] {
			o.tree.Load(i.id)
		}
		items = items[alike:]
	}
}

// walk calls do for the movies after start, 0 for all movies, in order, until it returns
// false.
func (o *titleOrder) walk(start uint32, do func(id uint32) bool) {
	if start == 0 {
		o.tree.Scan(do)
		return
	}
	o.tree.Ascend(start, func(id uint32) bool { return id == start || do(id) })
}

// withKey returns the movies whose titles have that key, the highest id first.
func (o *titleOrder) withKey(key string) (movies []uint32) {
	first := sort.Search(o.tree.Len(), func(i int) bool {
		id, _ := o.tree.GetAt(i)
		return o.key(id) >= key
	})
	start, found := o.tree.GetAt(first)
	if !found {
		return nil
	}
	known := "" // the last title found, which is never empty: its key is not made again
	o.tree.Ascend(start, func(id uint32) bool {
		title := o.title(id)
		if title != known && o.key(id) != key {
			return false
		}
		known, movies = title, append(movies, id)
		return true
	})
	return movies
}
