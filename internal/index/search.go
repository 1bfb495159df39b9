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
		if start > math.MaxUint32 || x.years.at(uint32(start)) == 0 {
			return Found{}, ErrStart
		}
		at = uint32(start)
	}
	switch order {
	case movie.SortYear, movie.SortLastYear:
		x.byYear(all, f, order, at, p)
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

func (x *Index) byYear(all set, f movie.Filter, order movie.Sort, start uint32, p *page) {
	later := func(a, b int) int {
		if order == movie.SortLastYear {
			a, b = b, a
		}
		return cmp.Compare(a, b)
	}
	first, below := 0, uint64(0)
	if start > 0 {
		first, below = x.years.at(start), uint64(start)
	}
	if all.len() <= mostSorted {
		p.sorted(all, func(a, b uint32) int {
			return cmp.Or(later(x.years.at(a), x.years.at(b)), cmp.Compare(b, a))
		}, start)
		return
	}
	list := slices.Clone(x.years.list)
	slices.SortFunc(list, later)
	for _, year := range list {
		if first != 0 && later(year, first) < 0 || !f.HasYear(year) {
			continue
		}
		begin := uint64(0)
		if year == first {
			begin = below
		}
		if !p.take(x.within(all, x.years.set(year)), begin) {
			return
		}
	}
}

// sorted adds the movies of a set in an order, after start.
func (p *page) sorted(all set, compare func(a, b uint32) int, start uint32) {
	first := top[uint32]{most: p.limit + 1, compare: compare}
	all.each(func(id uint32) {
		if start == 0 || compare(id, start) > 0 {
			first.offer(id)
		}
	})
	for _, id := range first.sorted() {
		p.add(id)
	}
}

// byTitle walks over the titles until the page is full. After as many titles as movies match,
// it gives up and sorts the matching movies, as it does small sets at once.
func (x *Index) byTitle(all set, start uint32, p *page) {
	if walked, most := 0, all.len(); most > mostSorted {
		x.titles.walk(start, func(id uint32) bool {
			walked++
			return walked <= most && (!all.contains(id) || p.add(id))
		})
		if walked <= most {
			return
		}
		p.ids, p.more = nil, false
	}
	p.sorted(all, x.titles.compare, start)
}

// byMatch adds movies by their [movie.Match].
func (x *Index) byMatch(all set, f movie.Filter, start uint32, p *page) {
	classes := x.matchClasses(all, f)
	first := movie.MatchSame
	if start > 0 {
		first = f.Match(x.titles.title(start))
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
	few := slices.DeleteFunc(x.titles.withKey(movie.KeyOf(f.Words)), func(id uint32) bool {
		return !all.contains(id) || f.Match(x.titles.title(id)) != movie.MatchSame
	})
	slices.Sort(few)
	return set{few: few}
}
