package index

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tidwall/btree"

	"jpmovies/internal/movie"
)

// titleOrder orders the visible movies by [movie.TitleKey], then by the highest id.
type titleOrder struct {
	tree *btree.BTreeG[titled]
	// records holds the records of the newest version. They are right for every version,
	// because title and year of an id never change (see Builder.Put).
	records *atomic.Pointer[records]
}

// titled is a movie with the beginning of its key, which usually suffices to compare two
// without reading their records.
type titled struct {
	beginning uint64
	id        uint32
}

func newTitleOrder() *titleOrder {
	o := &titleOrder{records: &atomic.Pointer[records]{}}
	o.tree = btree.NewBTreeGOptions(func(a, b titled) bool { return o.compare(a, b) < 0 }, btree.Options{NoLocks: true})
	return o
}

func (o *titleOrder) copy() *titleOrder { return &titleOrder{tree: o.tree.Copy(), records: o.records} }

func (o *titleOrder) key(id uint32) string { return movie.TitleKey(o.records.Load().at(id).title()) }

// item returns the item of a movie of the records, visible or not.
func (o *titleOrder) item(id uint32) titled { return titled{beginningOf(o.key(id)), id} }

func beginningOf(key string) uint64 {
	var first [8]byte
	copy(first[:], key)
	return binary.BigEndian.Uint64(first[:])
}

func (o *titleOrder) compare(a, b titled) int {
	if a.beginning != b.beginning || a.id == b.id {
		return cmp.Compare(a.beginning, b.beginning)
	}
	return cmp.Or(strings.Compare(o.key(a.id), o.key(b.id)), cmp.Compare(b.id, a.id))
}

// load fills an empty order.
func (o *titleOrder) load(movies set) {
	items := make([]titled, 0, movies.len())
	movies.each(func(id uint32) { items = append(items, o.item(id)) })
	slices.SortFunc(items, o.compare)
	for _, item := range items {
		o.tree.Load(item)
	}
}

// from calls do for the movies after one, in order, until it returns false.
func (o *titleOrder) from(start titled, do func(id uint32) bool) {
	o.tree.Ascend(start, func(item titled) bool { return item.id == start.id || do(item.id) })
}

// withKey returns the movies whose titles have that key, the highest id first.
func (o *titleOrder) withKey(key string) (movies []uint32) {
	first := beginningOf(key)
	// No movie has the greatest id, so its key is empty and sorts before all others with
	// this beginning.
	o.tree.Ascend(titled{beginning: first, id: math.MaxUint32}, func(item titled) bool {
		if item.beginning != first {
			return false
		}
		switch c := strings.Compare(o.key(item.id), key); {
		case c == 0:
			movies = append(movies, item.id)
		case c > 0:
			return false
		}
		return true
	})
	return movies
}
