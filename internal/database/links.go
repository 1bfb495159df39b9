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
	// searched tables hold the beginnings of the title's words, too: many movies may
	// have a name, many a word, and few or none both.
	searched bool
	// of are the names that a visible movie has in it, made of what changes with
	// from; 0 is never.
	of   func(movie.Movie) []string
	from movie.Changed
}

// linkTables in the order in which all writers take them.
var linkTables = []linkTable{
	{name: "movie_cast", of: func(m movie.Movie) []string { return m.Cast }, from: movie.CastChanged},
	{name: "movie_genre", of: func(m movie.Movie) []string { return m.Genres }, from: movie.GenresChanged, dated: true, searched: true},
	linkPairs,
	{name: "movie_word", of: func(m movie.Movie) []string { return titleWords(m.Title) }, searched: true},
}

// pairTable holds each two genres that a movie has: many movies may have the one,
// many the other, and few or none both.
const pairTable = "movie_genre_pair"

var linkPairs = linkTable{
	name: pairTable, of: func(m movie.Movie) []string { return genrePairs(m.Genres) }, from: movie.GenresChanged, dated: true, searched: true,
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

// columns of the table, the key first.
func (t linkTable) columns() []string {
	columns := []string{"name", "movie_id"}
	if t.dated {
		columns = append(columns, "year")
	}
	if t.searched {
		columns = append(columns, "beginnings")
	}
	return columns
}

// insertInto is the insertion into a link table. A row that is there stays.
func (db *DB) insertInto(t linkTable) insertion { return db.insertion(t) }

// overwrite is the insertion into a link table in which rows may be wrong.
func (db *DB) overwrite(t linkTable) insertion { return db.insertion(t, t.columns()[2:]...) }

func (db *DB) insertion(t linkTable, overwritten ...string) insertion {
	columns := t.columns()
	return insertion{
		"INSERT INTO " + t.name + " (" + strings.Join(columns, ", ") + ")", len(columns),
		db.dialect.onDuplicate("name, movie_id", overwritten...),
	}
}

// rows are the values of these links, sorted by key.
func (t linkTable) rows(links []link) []any {
	slices.SortFunc(links, compareLinks)
	args := make([]any, 0, 4*len(links))
	for _, l := range links {
		args = append(args, l.name, l.id)
		if t.dated {
			args = append(args, l.year)
		}
		if t.searched {
			args = append(args, l.beginnings)
		}
	}
	return args
}

// link is a row of a link table.
type link struct {
	linkKey
	year       int
	beginnings movie.Beginnings
}

type linkKey struct {
	name string
	id   int64
}

func compareLinks(a, b link) int { return compareKeys(a.linkKey, b.linkKey) }

func compareKeys(a, b linkKey) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
}

// links are the rows of a link table that a plan deletes and inserts.
type links struct {
	deleted  []linkKey
	inserted []link
}

func (p *plan) links(t linkTable) links {
	var l links
	for i := range p.steps {
		s := &p.steps[i]
		before, after := s.before.Visible(), s.after.Visible()
		if before == after && (!before || movie.Difference(s.before, s.after)&t.from == 0) {
			continue
		}
		l.add(s, t.namesIf(before, s.before), t.namesIf(after, s.after))
	}
	return l
}

// linksOf are the rows of a movie's that is visible.
func (t linkTable) linksOf(id int64, m movie.Movie) []link {
	var beginnings movie.Beginnings
	if t.searched {
		beginnings = movie.BeginningsOf(movie.Words(m.Title))
	}
	var all []link
	for _, name := range t.of(m) {
		all = append(all, link{linkKey{name, id}, m.Year, beginnings})
	}
	return all
}

func (t linkTable) namesIf(visible bool, r movie.Record) []string {
	if visible {
		return t.of(r.Movie())
	}
	return nil
}

func (l *links) add(s *step, before, after []string) {
	for _, name := range before {
		if !slices.Contains(after, name) {
			l.deleted = append(l.deleted, linkKey{name, s.id})
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			l.inserted = append(l.inserted, link{linkKey{name, s.id}, s.after.Year, s.titleBeginnings()})
		}
	}
}

// keys are name and movie_id of each row, sorted.
func keys(rows []linkKey) []any {
	slices.SortFunc(rows, compareKeys)
	args := make([]any, 0, 2*len(rows))
	for _, r := range rows {
		args = append(args, r.name, r.id)
	}
	return args
}
