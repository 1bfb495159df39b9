package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jpmovies/internal/movie"
)

// branch is a filter whose movies are one range of one index, by falling id.
type branch struct {
	movie.Filter
	// paired branches begin with a range of pairTable; the pair's genres are no
	// longer in the filter.
	paired bool
	pair   string
	// words that titles have, the first one's range being walked. They take the place
	// of the filter's.
	words []string
	// beginnings of words that a title must have, looked for in the range itself.
	beginnings movie.Beginnings
}

// linked tells whether the range is of a link table whose rows hold beginnings.
func (b branch) linked() bool {
	return b.Title == "" && len(b.Cast) == 0 && (b.paired || len(b.words)+len(b.Genres) > 0)
}

// branches divide what is looked for into ranges: a filter is one, unless it asks
// for several genres or for a few years.
func (db *DB) branches(ctx context.Context, q querier, f movie.Filter, words []string) ([]branch, error) {
	all := []branch{{Filter: f, words: words}}
	if f.Title != "" || len(f.Cast)+len(words) > 0 { // these ranges hold no year, and few movies
		return all, nil
	}
	if genres := slices.Compact(slices.Sorted(slices.Values(f.Genres))); len(genres) > 1 {
		switch complete, err := pairsComplete(ctx, q); {
		case err != nil:
			return nil, err
		case complete:
			rest := f
			rest.Genres = genres[2:]
			all = []branch{{Filter: rest, paired: true, pair: pairName(genres[0], genres[1])}, {Filter: f, paired: true, pair: crowded}}
		}
	}
	if f.Year != 0 || f.YearFrom == 0 && f.YearTo == 0 {
		return all, nil
	}
	years, err := yearsBetween(ctx, q, f.YearFrom, f.YearTo)
	if err != nil || len(years) == 0 {
		return nil, err
	}
	if len(years) > maxYears {
		return all, nil
	}
	first := all[0]
	all = all[1:]
	for _, year := range years {
		first.Year, first.YearFrom, first.YearTo = year, 0, 0
		all = append(all, first)
	}
	return all, nil
}

// pairsComplete tells whether pairTable has all pairs: else a program that does not
// know of it has written, and pairs are looked for in movie_genre.
func pairsComplete(ctx context.Context, q querier) (complete bool, err error) {
	err = q.QueryRowContext(ctx, "SELECT paired = revision FROM catalogue WHERE id = 1").Scan(&complete)
	return complete, err
}

// selectBranches joins the ids of the first movies of each branch, and then reads
// a column of the movies: that in the branches would make servers write it to
// temporary files. It is NULL where a link is of no visible movie.
func (d *dialect) selectBranches(column string, all []branch, start int64, limit int) (string, []any) {
	if len(all) == 1 {
		return d.selectBranch(column, all[0], start, limit)
	}
	union := " UNION ALL "
	if len(all[0].words) > 0 { // a movie may have several of them
		union = " UNION "
	}
	var selects []string
	var args []any
	for i, b := range all {
		query, more := d.selectBranch("", b, start, limit)
		selects = append(selects, "SELECT id FROM ("+query+") b"+strconv.Itoa(i))
		args = append(args, more...)
	}
	ids := strings.Join(selects, union) + " ORDER BY id DESC LIMIT ?"
	return "SELECT " + d.straight + "page.id, " + column + " FROM (" + ids + ") page LEFT JOIN movie m ON m.id = page.id AND m.hidden = 0 ORDER BY page.id DESC",
		append(args, limit)
}

// selectBranch walks one range of one index backwards: the links of a name, the
// movies of a year, or all movies; further names are looked up by full key.
// Cast comes before words and genres, since a person has fewer movies than a
// genre. The movie itself is joined last, and not at all where its id is enough:
// links are of visible movies only.
func (d *dialect) selectBranch(column string, b branch, start int64, limit int) (string, []any) {
	s := &selection{dialect: d}
	switch {
	case b.Title != "":
		s.fromMovie("identity")
		s.where("m.title = ?", b.Title)
		s.links(b)
	case b.paired || len(b.Cast)+len(b.Genres)+len(b.words) > 0:
		s.links(b)
		if column != "" || b.Year != 0 && !s.yearBound || b.YearFrom != 0 || b.YearTo != 0 {
			s.joinMovie()
		}
	case b.Year != 0:
		s.fromMovie("by_year")
	default:
		s.fromMovie("PRIMARY")
	}
	if b.Year != 0 && !s.yearBound {
		s.where("m.year = ?", b.Year)
	}
	if b.YearFrom != 0 {
		s.where("m.year >= ?", b.YearFrom)
	}
	if b.YearTo != 0 {
		s.where("m.year <= ?", b.YearTo)
	}
	if s.movie {
		s.where("m.hidden = 0")
	}
	if start > 0 {
		s.where(s.id+" < ?", start)
	}
	columns := s.id + " AS id"
	if column != "" {
		columns += ", " + column
	}
	query := "SELECT " + d.straight + columns + " FROM " + s.tables.String() +
		" WHERE " + strings.Join(s.conditions, " AND ") + " ORDER BY " + s.id + " DESC LIMIT ?"
	return query, append(s.args, limit)
}

// maxYears is how many years are joined; with more of them, most movies match,
// and these are looked through.
const maxYears = 40

// yearsBetween are the years that have movies.
func yearsBetween(ctx context.Context, q querier, from, to int) ([]int, error) {
	if to == 0 {
		to = movie.MaxYear
	}
	rows, err := q.QueryContext(ctx, "SELECT value FROM facet WHERE kind = ? AND value >= ? AND value <= ? LIMIT ?",
		yearFacet, yearValue(from), yearValue(to), maxYears+1)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var years []int
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		year, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("stored year: %w", err)
		}
		years = append(years, year)
	}
	return years, rows.Err()
}

// selection is a query under construction. Conditions are bound in the order in
// which they are added.
type selection struct {
	dialect    *dialect
	tables     strings.Builder
	id         string // column of the driving table that holds the movie's id
	conditions []string
	args       []any
	yearBound  bool // the driving range is of the filter's year
	movie      bool // the movie's row is read
}

func (s *selection) where(condition string, args ...any) {
	s.conditions = append(s.conditions, condition)
	s.args = append(s.args, args...)
}

func (s *selection) from(table, index, id string) {
	s.tables.WriteString(table + s.dialect.force(index))
	s.id = id
}

func (s *selection) fromMovie(index string) {
	s.from("movie m", index, "m.id")
	s.movie = true
}

// links adds the link tables of the filter's names: to the table there is, or
// as the first.
func (s *selection) links(b branch) {
	n := 0
	add := func(table, name string, dated bool) {
		alias := "l" + strconv.Itoa(n)
		n++
		switch {
		case s.id != "":
			s.tables.WriteString(" CROSS JOIN " + table + " " + alias + s.dialect.force("PRIMARY") +
				" ON " + alias + ".movie_id = " + s.id)
		case dated && b.Year != 0: // the index by year gives the range itself
			s.from(table+" "+alias, "by_year", alias+".movie_id")
			s.where(alias+".year = ?", b.Year)
			s.yearBound = true
		default:
			s.from(table+" "+alias, "PRIMARY", alias+".movie_id")
		}
		s.where(alias+".name = ?", name)
	}
	if b.paired {
		add(pairTable, b.pair, true)
	}
	for _, name := range b.Cast {
		add("movie_cast", name, false)
	}
	for _, name := range b.words {
		add("movie_word", name, false)
	}
	for _, name := range b.Genres {
		add("movie_genre", name, true)
	}
	if b.beginnings != 0 && b.linked() {
		s.where("l0.beginnings & ? = ?", b.beginnings, b.beginnings)
	}
}

func (s *selection) joinMovie() {
	s.tables.WriteString(" CROSS JOIN movie m" + s.dialect.force("PRIMARY") + " ON m.id = " + s.id)
	s.movie = true
}
