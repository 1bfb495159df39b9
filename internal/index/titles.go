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
// keys usually suffice to compare two movies without reading their records.
type titles struct {
	records    records
	beginnings vector[uint64]
}

func newTitleOrder() *titleOrder {
	o := &titleOrder{titles: &atomic.Pointer[titles]{}}
	o.titles.Store(&titles{})
	o.tree = btree.NewBTreeGOptions(func(a, b uint32) bool { return o.compare(a, b) < 0 }, btree.Options{NoLocks: true})
	return o
}

func (o *titleOrder) copy() *titleOrder { return &titleOrder{tree: o.tree.Copy(), titles: o.titles} }

func (t *titles) key(id uint32) string { return movie.TitleKey(t.records.at(id).title()) }

func (o *titleOrder) key(id uint32) string { return o.titles.Load().key(id) }

func beginningOf(title string) uint64 {
	var first [8]byte
	copy(first[:], movie.TitleKey(title))
	return binary.BigEndian.Uint64(first[:])
}

func (o *titleOrder) compare(a, b uint32) int {
	t := o.titles.Load()
	if x, y := t.beginnings.at(a), t.beginnings.at(b); x != y || a == b {
		return cmp.Compare(x, y)
	}
	return cmp.Or(strings.Compare(t.key(a), t.key(b)), cmp.Compare(b, a))
}

// load fills an empty order.
func (o *titleOrder) load(movies set) {
	items := make([]uint32, 0, movies.len())
	movies.each(func(id uint32) { items = append(items, id) })
	slices.SortFunc(items, o.compare)
	for _, id := range items {
		o.tree.Load(id)
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
	o.tree.Ascend(start, func(id uint32) bool {
		same := o.key(id) == key
		if same {
			movies = append(movies, id)
		}
		return same
	})
	return movies
}
