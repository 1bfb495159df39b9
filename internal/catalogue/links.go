package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
)

// LinkTable is a table that maps names to movies.
type LinkTable struct {
	Name string
	// Names returns the names of a visible movie. dependsOn is the change that alters
	// them.
	Names     func(movie.Movie) []string
	dependsOn movie.Changed
}

// LinkTables returns the link tables in the order in which all writers lock them.
func LinkTables() []LinkTable { return slices.Clone(linkTables) }

var linkTables = []LinkTable{
	{Name: "movie_cast", Names: func(m movie.Movie) []string { return m.Cast }, dependsOn: movie.CastChanged},
	{Name: "movie_genre", Names: func(m movie.Movie) []string { return m.Genres }, dependsOn: movie.GenresChanged},
}

// Insertion returns the insertion into the table. It keeps existing rows.
func (t LinkTable) Insertion(db *database.DB) database.Insertion {
	return database.Insertion{Head: "INSERT INTO " + t.Name + " (name, movie_id)", Columns: 2, Tail: db.OnDuplicate("name, movie_id")}
}

// Link is one row of a link table.
type Link struct {
	Name    string
	MovieID int64
}

// Compare orders links by primary key.
func (l Link) Compare(other Link) int {
	return cmp.Or(strings.Compare(l.Name, other.Name), cmp.Compare(l.MovieID, other.MovieID))
}

// links are the rows of one link table that a plan deletes and inserts.
type links struct {
	deleted, inserted []Link
}

func (p *plan) links(t LinkTable) links {
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

// LinksOf returns the link rows of a visible movie.
func (t LinkTable) LinksOf(id int64, m movie.Movie) []Link {
	var all []Link
	for _, name := range t.Names(m) {
		all = append(all, Link{name, id})
	}
	return all
}

func (t LinkTable) namesIf(visible bool, r movie.Record) []string {
	if visible {
		return t.Names(r.Movie())
	}
	return nil
}

func (l *links) add(s *step, before, after []string) {
	movie.EachChange(before, after,
		func(name string) { l.deleted = append(l.deleted, Link{name, s.id}) },
		func(name string) { l.inserted = append(l.inserted, Link{name, s.id}) })
}

// LinkArguments sorts rows and returns their names and movie ids, alternating.
func LinkArguments(rows []Link) []any {
	slices.SortFunc(rows, Link.Compare)
	args := make([]any, 0, 2*len(rows))
	for _, r := range rows {
		args = append(args, r.Name, r.MovieID)
	}
	return args
}
