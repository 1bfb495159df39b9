package database

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"jpmovies/internal/movie"
)

// searchLimits say how a search goes. Words that begin with a prefix are many
// ranges, not one: their movies do not come by falling id. So movies are looked
// through first: of a prefix that many have, a page is soon full. If it is not, and
// few links begin so, all of these are read and sorted. Else the looking through
// goes on: in links by the beginnings in their rows, else by the titles, since the
// more links begin so, the sooner it ends; but a few words with many movies each are
// joined.
type searchLimits struct {
	first    int // titles that are looked through before anything else, for each movie that is wanted
	least    int // links that are always few
	prefixed int // links that are read, at most: what is few depends on the ranges
	words    int // that are joined
	sift     int // titles that are looked through at a time, when no page is filled soon
	pick     int // links that are looked up at a time
}

var defaultSearch = searchLimits{first: 20, least: 1000, prefixed: 10_000, words: 8, sift: 4000, pick: 1000}

// endOfPrefix is behind every text that begins with the same: no title holds it.
const endOfPrefix = "\U0010FFFF"

// search is one page of the movies whose titles have some words, and one that
// begins with a prefix.
type search struct {
	*DB
	querier
	movie.Filter
	exact  []string
	prefix string
	few    int      // so many links cost less to look up than the ranges to look through
	ranges []branch // of the movies that may match
	start  int64    // what is above was looked through
	limit  int      // movies that are missing
	found  []movie.Row
	// candidates are ids of movies that matched, but for what may have changed since.
	candidates []int64
}

func (s *search) run(ctx context.Context) ([]movie.Row, error) {
	err := s.findRanges(ctx)
	if err != nil || len(s.ranges) == 0 {
		return nil, err
	}
	linked, narrowed := s.ranges[0].linked(), false
	left := s.searching.first * s.limit
	for n := left / 5; n > 0 && s.limit > 0 && err == nil; n = min(n, left) {
		left -= n
		n, err = s.sift(ctx, n)
		if linked && !narrowed && len(s.candidates) > 1 { // several have the words: the next ones are not far
			n, narrowed = s.narrow(s.Words), true
		}
	}
	if err == nil {
		err = s.readCandidates(ctx)
	}
	if err != nil || s.limit == 0 {
		return s.found, err
	}
	ids, all, err := s.prefixed(ctx)
	if err != nil {
		return nil, err
	}
	if all {
		err = s.pick(ctx, ids)
		return s.found, err
	}
	n := s.searching.sift
	if linked {
		n = s.narrow(s.Words)
	} else if len(s.exact) == 0 {
		words, all, err := s.words(ctx)
		if err != nil || all && len(words) == 0 { // these links have just gone
			return s.found, err
		}
		if all {
			return s.joined(ctx, words)
		}
	}
	for s.limit > 0 && err == nil {
		n, err = s.sift(ctx, n)
		n = min(n, s.searching.sift)
	}
	return s.found, err
}

// findRanges takes those of the rarest word, or, if none is rare and there are genres,
// of these, where the words' beginnings are looked for.
func (s *search) findRanges(ctx context.Context) error {
	words := s.exact
	s.few = s.searching.prefixed
	if s.Title == "" && len(s.Cast) == 0 {
		if err := s.weigh(ctx); err != nil {
			return err
		}
		rare, err := s.rarestFirst(ctx)
		if err != nil {
			return err
		}
		words = s.exact
		if !rare && len(s.Filter.Genres) > 0 {
			words = nil
		}
	}
	var err error
	s.ranges, err = s.branches(ctx, s, s.Filter, words)
	if len(words) != 1 { // its range has it
		s.narrow(s.exact)
	}
	return err
}

// weigh says how many links are few: a row of a range costs about a sixteenth of a
// link that is looked up with its movie.
func (s *search) weigh(ctx context.Context) error {
	genres := s.Filter.Genres
	if len(genres) == 0 {
		if len(s.exact) > 0 { // how many titles have the words is not known
			s.few /= 4
		}
		return nil
	}
	args := []any{genreFacet}
	for _, genre := range genres {
		args = append(args, genre)
	}
	var smallest int
	query := "SELECT COALESCE(MIN(movies), 0) FROM facet WHERE kind = ? AND value IN " + tuples(1, len(genres))
	err := s.QueryRowContext(ctx, query, args...).Scan(&smallest)
	s.few = min(max(smallest/16, s.searching.least), s.few)
	return err
}

// narrow leaves out of the ranges most titles that do not have the words. It
// returns how many of the others are likely to fill the page.
func (s *search) narrow(words []string) int {
	for i := range s.ranges {
		s.ranges[i].beginnings = movie.BeginningsOf(words)
	}
	return 2 * (s.limit - len(s.candidates))
}

// rarestFirst makes the word that the fewest movies have the one whose range is
// walked; rare tells whether they are few. All words that are not rare are the same.
func (s *search) rarestFirst(ctx context.Context) (rare bool, err error) {
	slices.Sort(s.exact)
	s.exact = slices.Compact(s.exact)
	if len(s.exact) == 0 || len(s.exact) == 1 && len(s.Filter.Genres) == 0 {
		return false, nil
	}
	links := make(map[string]int)
	for _, word := range s.exact {
		var n int
		err := s.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM movie_word WHERE name = ? LIMIT ?) some", word, s.few).Scan(&n)
		if err != nil {
			return false, err
		}
		links[word] = n
	}
	slices.SortStableFunc(s.exact, func(a, b string) int { return links[a] - links[b] })
	return links[s.exact[0]] < s.few, nil
}

// sift looks through the titles of the next n movies of the ranges. It returns how
// many more are likely to hold the rest of the page.
func (s *search) sift(ctx context.Context, n int) (more int, err error) {
	titles, err := s.page(ctx, s, "m.title", s.ranges, s.start, n)
	if err != nil {
		return 0, err
	}
	wanted := movie.Filter{Words: s.Words}
	before := len(s.candidates)
	for _, r := range titles {
		if wanted.Matches(0, movie.Movie{Identity: movie.Identity{Title: string(r.Fields)}}) {
			s.candidates = append(s.candidates, r.ID)
		}
	}
	matched, missing := len(s.candidates)-before, s.limit-len(s.candidates)
	more = 4 * n
	if matched > 0 {
		more = min(more, n*max(missing, 1)*5/(4*matched)) // a quarter to spare
	}
	ended := len(titles) < n
	if !ended {
		s.start = titles[len(titles)-1].ID
	}
	if ended || missing <= 0 {
		err = s.readCandidates(ctx)
	}
	if ended {
		s.limit = 0
	}
	return max(more, 1), err
}

func (s *search) readCandidates(ctx context.Context) error {
	ids := s.candidates
	s.candidates = nil
	return s.read(ctx, ids)
}

// pick finds the first of the movies with these ids that match.
func (s *search) pick(ctx context.Context, ids []int64) error {
	for n := 2 * s.limit; len(ids) > 0 && s.limit > 0; n = max(n, min(2*n, s.searching.pick)) {
		some := ids[:min(len(ids), n)]
		ids = ids[len(some):]
		some, err := s.linked(ctx, some)
		if err != nil {
			return err
		}
		if err := s.read(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// linked leaves of these ids those that have one of the filter's names: a link
// costs less to look up than a movie.
func (s *search) linked(ctx context.Context, ids []int64) ([]int64, error) {
	table, name := "movie_cast", ""
	switch {
	case len(s.Cast) > 0:
		name = s.Cast[0]
	case len(s.Filter.Genres) > 0:
		table, name = "movie_genre", s.Filter.Genres[0]
	default:
		return ids, nil
	}
	query := "SELECT movie_id FROM " + table + s.dialect.force("PRIMARY") + " WHERE name = ? AND movie_id IN " + tuples(1, len(ids)) + " ORDER BY movie_id DESC"
	return queryIDs(ctx, s, query, append([]any{name}, anys(ids)...))
}

// read adds those of these movies that match, until the page is full. Most do, so
// few are read that are not shown.
func (s *search) read(ctx context.Context, ids []int64) error {
	for len(ids) > 0 && s.limit > 0 {
		some := ids[:min(len(ids), 2*s.limit)]
		ids = ids[len(some):]
		query := "SELECT id, fields FROM movie WHERE hidden = 0 AND id IN " + tuples(1, len(some)) + " ORDER BY id DESC"
		rows, err := queryRows(ctx, s, query, anys(some))
		if err != nil {
			return err
		}
		for _, r := range rows {
			m, err := movie.ParseFields(r.Fields)
			if err != nil {
				return err
			}
			if s.limit > 0 && s.Matches(0, m) {
				s.found = append(s.found, r)
				s.limit--
			}
		}
	}
	return nil
}

// prefixed are the ids below start of the movies that have a word with the
// prefix, falling; all tells whether these are all of them, since they are few.
func (s *search) prefixed(ctx context.Context) (ids []int64, all bool, err error) {
	ids, err = queryIDs(ctx, s, "SELECT movie_id FROM movie_word WHERE name >= ? AND name < ? LIMIT ?",
		[]any{s.prefix, s.prefix + endOfPrefix, s.few + 1})
	all = len(ids) <= s.few
	if s.start > 0 {
		ids = slices.DeleteFunc(ids, func(id int64) bool { return id >= s.start })
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	return ids, all, err
}

// words are those with the prefix; all is false if they are more than a few.
func (s *search) words(ctx context.Context) (words []string, all bool, err error) {
	for next := s.prefix; len(words) <= s.searching.words; next = words[len(words)-1] + "\x00" {
		var word string
		err := s.QueryRowContext(ctx, "SELECT name FROM movie_word WHERE name >= ? AND name < ? ORDER BY name LIMIT 1",
			next, s.prefix+endOfPrefix).Scan(&word)
		if errors.Is(err, sql.ErrNoRows) {
			return words, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		words = append(words, word)
	}
	return nil, false, nil
}

// joined are the rest of the page: the movies that have one of the words.
func (s *search) joined(ctx context.Context, words []string) ([]movie.Row, error) {
	var branches []branch
	for _, word := range words {
		branches = append(branches, branch{Filter: s.Filter, words: []string{word}})
	}
	rows, err := s.page(ctx, s, "m.fields", branches, s.start, s.limit)
	return append(s.found, rows...), err
}
