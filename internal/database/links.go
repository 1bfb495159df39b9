package database

import (
	"cmp"
	"slices"
	"strings"

	"jpmovies/internal/movie"
)

// linkTable is one of the tables that list the movies of a name.
type linkTable struct {
	name string
	// names returns the names of a visible movie. They change with dependsOn.
	names     func(movie.Movie) []string
	dependsOn movie.Changed
}

// linkTables in the order in which all writers lock them.
var linkTables = []linkTable{
	{name: "movie_cast", names: func(m movie.Movie) []string { return m.Cast }, dependsOn: movie.CastChanged},
	{name: "movie_genre", names: func(m movie.Movie) []string { return m.Genres }, dependsOn: movie.GenresChanged},
}

// insertInto is the insertion into a link table. An existing row stays.
func (db *DB) insertInto(t linkTable) insertion {
	return insertion{"INSERT INTO " + t.name + " (name, movie_id)", 2, db.dialect.onDuplicate("name, movie_id")}
}

// link is a row of a link table.
type link struct {
	name string
	id   int64
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
	for i := range p.steps {
		s := &p.steps[i]
		before, after := s.before.Visible(), s.after.Visible()
		if before == after && (!before || movie.Difference(s.before, s.after)&t.dependsOn == 0) {
			continue
		}
		l.add(s, t.namesIf(before, s.before), t.namesIf(after, s.after))
	}
	return l
}

// linksOf returns the rows of a visible movie.
func (t linkTable) linksOf(id int64, m movie.Movie) []link {
	var all []link
	for _, name := range t.names(m) {
		all = append(all, link{name, id})
	}
	return all
}

func (t linkTable) namesIf(visible bool, r movie.Record) []string {
	if visible {
		return t.names(r.Movie())
	}
	return nil
}

func (l *links) add(s *step, before, after []string) {
	for _, name := range before {
		if !slices.Contains(after, name) {
			l.deleted = append(l.deleted, link{name, s.id})
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			l.inserted = append(l.inserted, link{name, s.id})
		}
	}
}

// arguments returns name and movie_id of each row, sorted.
func arguments(rows []link) []any {
	slices.SortFunc(rows, compareLinks)
	args := make([]any, 0, 2*len(rows))
	for _, r := range rows {
		args = append(args, r.name, r.id)
	}
	return args
}
