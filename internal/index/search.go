package index

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"jpmovies/internal/movie"
)

// ErrStart is returned when a page should begin after an id that no movie has, or a name
// that no matching movie has.
var ErrStart = errors.New("the start of the page is unknown")

// Found is a page of a search.
type Found struct {
	IDs []int64
	// More reports that others follow.
	More bool
	// Total is the number of matching movies.
	Total int
}

// Search returns up to limit matching movies in an order, after the movie with the id
// start; 0 begins at the first. It returns ErrStart when start is unknown, except in the
// order of ids.
func (x *Index) Search(f movie.Filter, order movie.Sort, start int64, limit int) (Found, error) {
	all := x.matching(f)
	p := &page{limit: limit}
	var at uint32 // the position of start
	if start > 0 && order != movie.SortNewest {
		if start > math.MaxUint32 || x.records.at(uint32(start)) == "" {
			return Found{}, ErrStart
		}
		at = uint32(start)
	}
	switch order {
	case movie.SortYear, movie.SortLastYear:
		x.byYear(all, order, at, p)
	case movie.SortTitle:
		x.byTitle(all, at, p)
	case movie.SortMatch:
		x.byMatch(all, f, at, p)
	default:
		p.take(all, uint64(start)) //nolint:gosec // not negative
	}
	return Found{IDs: p.ids, More: p.more, Total: all.len()}, nil
}

// page is the result of a search being collected.
type page struct {
	limit int
	ids   []int64
	more  bool
}

// add adds a movie and reports whether there is room for more.
func (p *page) add(id uint32) bool {
	if len(p.ids) == p.limit {
		p.more = true
		return false
	}
	p.ids = append(p.ids, int64(id))
	return true
}

// take adds the movies of a set below an id, the highest first; 0 begins at the highest.
// It reports whether there is room for more.
func (p *page) take(s set, below uint64) bool {
	if below == 0 {
		below = math.MaxUint32 + 1
	}
	for id := s.before(below); id >= 0; id = s.before(uint64(id)) {
		if !p.add(uint32(id)) { //nolint:gosec // from the set
			return false
		}
	}
	return true
}

// mostSorted is the most movies that are sorted; more movies are collected year by year.
const mostSorted = 2048

func (x *Index) byYear(all set, order movie.Sort, start uint32, p *page) {
	later := func(a, b int) int {
		if order == movie.SortLastYear {
			a, b = b, a
		}
		return cmp.Compare(a, b)
	}
	first, below := 0, uint64(0)
	if start > 0 {
		first, below = x.records.at(start).year(), uint64(start)
	}
	if all.len() <= mostSorted {
		p.sorted(all, func(a, b uint32) int {
			return cmp.Or(later(x.records.at(a).year(), x.records.at(b).year()), cmp.Compare(b, a))
		}, start)
		return
	}
	list := slices.Clone(x.years.list)
	slices.SortFunc(list, later)
	for _, year := range list {
		if first != 0 && later(year, first) < 0 {
			continue
		}
		s := x.years.sets.at(uint32(year)) //nolint:gosec // 1 to 9999
		if all.many != x.all {
			s = s.and(all, true)
		}
		begin := uint64(0)
		if year == first {
			begin = below
		}
		if !p.take(s, begin) {
			return
		}
	}
}

// sorted adds the movies of a small set in an order, after start.
func (p *page) sorted(all set, compare func(a, b uint32) int, start uint32) {
	order := make([]uint32, 0, all.len())
	all.each(func(id uint32) {
		if start == 0 || compare(id, start) > 0 {
			order = append(order, id)
		}
	})
	slices.SortFunc(order, compare)
	for _, id := range order {
		if !p.add(id) {
			return
		}
	}
}

// byTitle sorts a small set, and for a large one walks over all titles until enough match.
func (x *Index) byTitle(all set, start uint32, p *page) {
	if n := all.len(); n <= mostSorted && n*n/max(1, p.limit) < x.Len() {
		items := make(map[uint32]titled, n)
		all.each(func(id uint32) { items[id] = x.titles.item(id) })
		if start > 0 {
			items[start] = x.titles.item(start)
		}
		p.sorted(all, func(a, b uint32) int { return x.titles.compare(items[a], items[b]) }, start)
		return
	}
	do := func(id uint32) bool { return !all.contains(id) || p.add(id) }
	if start == 0 {
		x.titles.tree.Scan(func(item titled) bool { return do(item.id) })
		return
	}
	x.titles.from(x.titles.item(start), do)
}

// byMatch adds movies by their [movie.Match].
func (x *Index) byMatch(all set, f movie.Filter, start uint32, p *page) {
	classes := x.matchClasses(all, f)
	first := movie.MatchSame
	if start > 0 {
		first = f.Match(x.records.at(start).title())
	}
	for i, class := range classes[first:] {
		below := uint64(0)
		if i == 0 {
			below = uint64(start)
		}
		if !p.take(class, below) {
			return
		}
	}
}

// matchClasses divides movies by their [movie.Match], the best first.
func (x *Index) matchClasses(all set, f movie.Filter) [movie.MatchPrefix + 1]set {
	same := x.same(all, f)
	whole := all.and(x.words.set(f.Words[len(f.Words)-1]), true)
	return [...]set{same, whole.and(same, false), all.and(whole, false).and(same, false)}
}

// same returns the movies whose titles have exactly the words of the filter.
func (x *Index) same(all set, f movie.Filter) set {
	few := slices.DeleteFunc(x.titles.withKey(joined(f.Words)), func(id uint32) bool {
		return !all.contains(id) || f.Match(x.records.at(id).title()) != movie.MatchSame
	})
	slices.Sort(few)
	return set{few: few}
}
