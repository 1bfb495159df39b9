package database

import (
	"cmp"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// linkTable is one of the tables that hold what movies can be found by.
type linkTable struct {
	name string
	// dated tables hold the movie's year, too: a name and a year are one range.
	dated bool
	// of are the names that a visible movie has in it, made of what changes with
	// from; 0 is never.
	of   func(movie.Movie) []string
	from movie.Changed
}

// linkTables in the order in which all writers take them.
var linkTables = []linkTable{
	{name: "movie_cast", of: func(m movie.Movie) []string { return m.Cast }, from: movie.CastChanged},
	{name: "movie_genre", of: func(m movie.Movie) []string { return m.Genres }, from: movie.GenresChanged, dated: true},
	linkPairs,
	{name: "movie_word", of: func(m movie.Movie) []string { return titleWords(m.Title) }},
}

// pairTable holds each two genres that a movie has: many movies may have the one,
// many the other, and few or none both.
const pairTable = "movie_genre_pair"

var linkPairs = linkTable{
	name: pairTable, of: func(m movie.Movie) []string { return genrePairs(m.Genres) }, from: movie.GenresChanged, dated: true,
}

// A movie with more than maxPaired genres would have too many pairs, and is filed
// under crowded instead.
const (
	maxPaired = 16
	crowded   = ""
)

// genrePairs are the names of all pairs.
func genrePairs(genres []string) []string {
	switch n := len(genres); {
	case n < 2:
		return nil
	case n > maxPaired:
		return []string{crowded}
	}
	pairs := make([]string, 0, len(genres)*(len(genres)-1)/2)
	for i, one := range genres {
		for _, other := range genres[i+1:] {
			pairs = append(pairs, pairName(one, other))
		}
	}
	return pairs
}

// pairName is the name of a pair. No genre holds a NUL.
func pairName(one, other string) string { return min(one, other) + "\x00" + max(one, other) }

// titleWords are the words that a title is found by, each once.
func titleWords(title string) []string {
	words := movie.Words(title)
	slices.Sort(words)
	return slices.Compact(words)
}

// insertInto is the insertion into a link table.
func (db *DB) insertInto(t linkTable) insertion {
	if t.dated {
		return insertion{"INSERT INTO " + t.name + " (name, movie_id, year)", 3, db.dialect.onDuplicate("name, movie_id")}
	}
	return insertion{"INSERT INTO " + t.name + " (name, movie_id)", 2, db.dialect.onDuplicate("name, movie_id")}
}

// link is a row of a link table.
type link struct {
	name string
	id   int64
	year int
}

func compareLinks(a, b link) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
}

// links are the rows of a link table that a plan deletes and inserts.
type links struct {
	deleted, inserted []link
}

func (p *plan) links(t linkTable) links {
	var l links
	for _, s := range p.steps {
		before, after := s.before.Visible(), s.after.Visible()
		if before == after && (!before || movie.Difference(s.before, s.after)&t.from == 0) {
			continue
		}
		l.add(s, t.namesIf(before, s.before), t.namesIf(after, s.after))
	}
	return l
}

func (t linkTable) namesIf(visible bool, r movie.Record) []string {
	if visible {
		return t.of(r.Movie())
	}
	return nil
}

func (l *links) add(s step, before, after []string) {
	for _, name := range before {
		if !slices.Contains(after, name) {
			l.deleted = append(l.deleted, link{name, s.id, s.after.Year})
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			l.inserted = append(l.inserted, link{name, s.id, s.after.Year})
		}
	}
}

// keys are name and movie_id of each row, sorted.
func keys(rows []link) []any { return linkArgs(rows, 2) }

func linkArgs(rows []link, columns int) []any {
	slices.SortFunc(rows, compareLinks)
	args := make([]any, 0, columns*len(rows))
	for _, r := range rows {
		args = append(args, []any{r.name, r.id, r.year}[:columns]...)
	}
	return args
}
