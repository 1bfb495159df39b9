package database

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jpmovies/internal/movie"
)

// selectMovies walks one range of one index backwards: the links of a name, the
// movies of a year, or all movies; further names are looked up by full key.
// Cast comes before words and genres, since a person has fewer movies than a
// genre, and the movie itself is joined last.
func (d *dialect) selectMovies(f movie.Filter, words []string, start int64, limit int) (string, []any) {
	return d.selectColumns("m.id, m.fields", f, words, start, limit)
}

func (d *dialect) selectColumns(columns string, f movie.Filter, words []string, start int64, limit int) (string, []any) {
	s := &selection{dialect: d}
	switch {
	case f.Title != "":
		s.from("movie m", "identity", "m.id")
		s.where("m.title = ?", f.Title)
		s.links(f, words)
	case len(f.Cast)+len(f.Genres)+len(words) > 0:
		s.links(f, words)
		s.joinMovie()
	case f.Year != 0:
		s.from("movie m", "by_year", "m.id")
	default:
		s.from("movie m", "PRIMARY", "m.id")
	}
	if f.Year != 0 && !s.yearBound {
		s.where("m.year = ?", f.Year)
	}
	if f.YearFrom != 0 {
		s.where("m.year >= ?", f.YearFrom)
	}
	if f.YearTo != 0 {
		s.where("m.year <= ?", f.YearTo)
	}
	s.where("m.hidden = 0")
	if start > 0 {
		s.where(s.id+" < ?", start)
	}
	query := "SELECT " + d.straight + columns + " FROM " + s.tables.String() +
		" WHERE " + strings.Join(s.conditions, " AND ") + " ORDER BY " + s.id + " DESC LIMIT ?"
	return query, append(s.args, limit)
}

// selectYears joins the ids of the first movies of each year, and then reads the
// movies: fields in the branches would make servers write them to temporary files.
func (d *dialect) selectYears(f movie.Filter, years []int, words []string, start int64, limit int) (string, []any) {
	f.YearFrom, f.YearTo = 0, 0
	var branches []string
	var args []any
	for i, year := range years {
		f.Year = year
		branch, more := d.selectColumns("m.id", f, words, start, limit)
		branches = append(branches, "SELECT id FROM ("+branch+") y"+strconv.Itoa(i))
		args = append(args, more...)
	}
	ids := strings.Join(branches, " UNION ALL ") + " ORDER BY id DESC LIMIT ?"
	return "SELECT " + d.straight + "m.id, m.fields FROM (" + ids + ") page CROSS JOIN movie m ON m.id = page.id ORDER BY page.id DESC",
		append(args, limit)
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
}

func (s *selection) where(condition string, args ...any) {
	s.conditions = append(s.conditions, condition)
	s.args = append(s.args, args...)
}

func (s *selection) from(table, index, id string) {
	s.tables.WriteString(table + s.dialect.force(index))
	s.id = id
}

// links adds the link tables of the filter's names: to the table there is, or
// as the first.
func (s *selection) links(f movie.Filter, words []string) {
	n := 0
	add := func(table, name string) {
		alias := "l" + strconv.Itoa(n)
		n++
		switch {
		case s.id != "":
			s.tables.WriteString(" CROSS JOIN " + table + " " + alias + s.dialect.force("PRIMARY") +
				" ON " + alias + ".movie_id = " + s.id)
		case table == "movie_genre" && f.Year != 0: // the index by year gives the range itself
			s.from(table+" "+alias, "by_year", alias+".movie_id")
			s.where(alias+".year = ?", f.Year)
			s.yearBound = true
		default:
			s.from(table+" "+alias, "PRIMARY", alias+".movie_id")
		}
		s.where(alias+".name = ?", name)
	}
	for _, name := range f.Cast {
		add("movie_cast", name)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(words))) {
		add("movie_word", name)
	}
	for _, name := range f.Genres {
		add("movie_genre", name)
	}
}

func (s *selection) joinMovie() {
	s.tables.WriteString(" CROSS JOIN movie m" + s.dialect.force("PRIMARY") + " ON m.id = " + s.id)
}
