package database

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// searchLimits say how a search goes. Words that begin with a prefix are many
// ranges, not one: their movies do not come by falling id. So movies are looked
// through first: of a prefix that many have, a page is soon full. If it is not, and
// few links begin so, all of these are read and sorted. Else a few words with many
// movies each are joined; and if it is many words, the looking through goes on: the
// more links there are, the sooner it ends.
type searchLimits struct {
	prefixed int // links that are read
	words    int // that are joined
	sift     int // titles that are looked through at a time, when no page is filled soon
	pick     int // movies that are read at a time
}

var defaultSearch = searchLimits{prefixed: 10_000, words: 8, sift: 4000, pick: 400}

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
	start  int64
	limit  int
	found  []movie.Row
}

func (s *search) run(ctx context.Context) ([]movie.Row, error) {
	err := s.rarestFirst(ctx)
	for _, n := range []int{4 * s.limit, 16 * s.limit} {
		if err != nil || s.limit == 0 {
			return s.found, err
		}
		err = s.sift(ctx, n)
	}
	if err != nil || s.limit == 0 {
		return s.found, err
	}
	ids, all, err := s.prefixed(ctx)
	if err != nil {
		return nil, err
	}
	if all {
		return s.found, s.pick(ctx, ids)
	}
	if len(s.exact) == 0 {
		words, all, err := s.words(ctx)
		if err != nil {
			return nil, err
		}
		if all {
			return s.joined(ctx, words)
		}
	}
	for s.limit > 0 && err == nil {
		err = s.sift(ctx, s.searching.sift)
	}
	return s.found, err
}

// rarestFirst makes the word that the fewest movies have the one whose range is
// walked. Beyond maxRare they are all the same.
func (s *search) rarestFirst(ctx context.Context) error {
	const maxRare = 1000
	slices.Sort(s.exact)
	s.exact = slices.Compact(s.exact)
	if len(s.exact) < 2 {
		return nil
	}
	links := make(map[string]int)
	for _, word := range s.exact {
		var n int
		err := s.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM movie_word WHERE name = ? LIMIT ?) some", word, maxRare).Scan(&n)
		if err != nil {
			return err
		}
		links[word] = n
	}
	slices.SortStableFunc(s.exact, func(a, b string) int { return links[a] - links[b] })
	return nil
}

// sift looks through the titles of the next movies that match all but the prefix.
func (s *search) sift(ctx context.Context, n int) error {
	branches, err := s.branches(ctx, s, s.Filter, s.exact)
	if err != nil || len(branches) == 0 {
		s.limit = 0
		return err
	}
	query, args := s.dialect.selectBranches("m.title", branches, s.start, n)
	titles, err := queryRows(ctx, s, query, args)
	if err != nil {
		return err
	}
	wanted := movie.Filter{Words: s.Words}
	var ids []int64
	for _, r := range titles {
		if wanted.Matches(movie.Movie{Identity: movie.Identity{Title: string(r.Fields)}}) {
			ids = append(ids, r.ID)
		}
	}
	if err := s.pick(ctx, ids); err != nil {
		return err
	}
	if len(titles) < n {
		s.limit = 0
		return nil
	}
	s.start = titles[len(titles)-1].ID
	return nil
}

// pick finds the first of the movies with these ids that match. Most do, so few
// are read that are not shown.
func (s *search) pick(ctx context.Context, ids []int64) error {
	for n := 2 * s.limit; len(ids) > 0 && s.limit > 0; n = max(n, min(2*n, s.searching.pick)) {
		some := ids[:min(len(ids), n)]
		ids = ids[len(some):]
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		query := "SELECT id, fields FROM movie WHERE hidden = 0 AND id IN (" + strings.Repeat(",?", len(some))[1:] + ") ORDER BY id DESC"
		rows, err := queryRows(ctx, s, query, args)
		if err != nil {
			return err
		}
		for _, r := range rows {
			m, err := movie.ParseFields(r.Fields)
			if err != nil {
				return err
			}
			if s.limit > 0 && s.Matches(m) {
				s.add(r)
			}
		}
	}
	return nil
}

func (s *search) add(r movie.Row) {
	s.found = append(s.found, r)
	s.limit--
}

// prefixed are the ids below start of the movies that have a word with the
// prefix, falling; all tells whether these are all of them.
func (s *search) prefixed(ctx context.Context) (ids []int64, all bool, err error) {
	query := "SELECT movie_id FROM movie_word WHERE name >= ? AND name < ? LIMIT ?"
	rows, err := s.QueryContext(ctx, query, s.prefix, s.prefix+endOfPrefix, s.searching.prefixed+1)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	n := 0
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, false, err
		}
		if n++; s.start == 0 || id < s.start {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	return ids, n <= s.searching.prefixed, rows.Err()
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
	query, args := s.dialect.selectBranches("m.fields", branches, s.start, s.limit)
	rows, err := queryRows(ctx, s, query, args)
	return append(s.found, rows...), err
}
