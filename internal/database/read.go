package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"jpmovies/internal/movie"
)

// Movie returns a visible movie, or movie.ErrNotFound.
func (db *DB) Movie(ctx context.Context, id int64) (movie.Row, error) {
	r := movie.Row{ID: id}
	err := db.read.QueryRowContext(ctx, "SELECT fields FROM movie WHERE id = ? AND hidden = 0", id).Scan(&r.Fields)
	if errors.Is(err, sql.ErrNoRows) {
		return movie.Row{}, movie.ErrNotFound
	}
	if err != nil {
		return movie.Row{}, fmt.Errorf("read movie %d: %w", id, err)
	}
	return r, nil
}

// Movies returns the first visible movies that match, at most limit, the
// highest id first. With start above 0, only ids below it.
func (db *DB) Movies(ctx context.Context, filter movie.Filter, start int64, limit int) ([]movie.Row, error) {
	query, args := db.dialect.selectMovies(filter, start, limit)
	rows, err := db.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read movies: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	found := make([]movie.Row, 0, limit)
	for rows.Next() {
		var r movie.Row
		if err := rows.Scan(&r.ID, &r.Fields); err != nil {
			return nil, fmt.Errorf("read movies: %w", err)
		}
		found = append(found, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read movies: %w", err)
	}
	return found, nil
}

// selectMovies walks one range of one index backwards: the links of a name, the
// movies of a year, or all movies; further names are looked up by full key.
// Names come before genres, since a person has fewer movies than a genre, and
// the movie itself is joined last.
func (d *dialect) selectMovies(f movie.Filter, start int64, limit int) (string, []any) {
	s := &selection{dialect: d}
	switch {
	case f.Title != "":
		s.from("movie m", "identity", "m.id")
		s.where("m.title = ?", f.Title)
		if f.Year != 0 {
			s.where("m.year = ?", f.Year)
		}
		s.links(f, true)
	case len(f.Cast)+len(f.Genres) > 0:
		s.links(f, false)
		s.joinMovie()
		if f.Year != 0 && len(f.Cast) > 0 {
			s.where("m.year = ?", f.Year)
		}
	case f.Year != 0:
		s.from("movie m", "by_year", "m.id")
		s.where("m.year = ?", f.Year)
	default:
		s.from("movie m", "PRIMARY", "m.id")
	}
	s.where("m.hidden = 0")
	if start > 0 {
		s.where(s.id+" < ?", start)
	}
	query := "SELECT " + d.straight + "m.id, m.fields FROM " + s.tables.String() +
		" WHERE " + strings.Join(s.conditions, " AND ") + " ORDER BY " + s.id + " DESC LIMIT ?"
	return query, append(s.args, limit)
}

// selection is a query under construction. Conditions are bound in the order in
// which they are added.
type selection struct {
	dialect    *dialect
	tables     strings.Builder
	id         string // column of the driving table that holds the movie's id
	conditions []string
	args       []any
}

func (s *selection) where(condition string, args ...any) {
	s.conditions = append(s.conditions, condition)
	s.args = append(s.args, args...)
}

func (s *selection) from(table, index, id string) {
	s.tables.WriteString(table + s.dialect.force(index))
	s.id = id
}

// links adds the link tables of the filter's names: to the tables there are, or
// as the first.
func (s *selection) links(f movie.Filter, joined bool) {
	n := 0
	add := func(table, index, condition string, args ...any) {
		alias := fmt.Sprintf("l%d", n)
		n++
		if joined {
			s.tables.WriteString(" CROSS JOIN " + table + " " + alias + s.dialect.force("PRIMARY") + " ON " + alias + ".movie_id = " + s.id)
		} else {
			s.from(table+" "+alias, index, alias+".movie_id")
			joined = true
		}
		s.where(strings.ReplaceAll(condition, "@", alias), args...)
	}
	for _, name := range f.Cast {
		add("movie_cast", "PRIMARY", "@.name = ?", name)
	}
	for _, name := range f.Genres {
		if f.Year != 0 && !joined { // the index by year gives the range itself
			add("movie_genre", "by_year", "@.name = ? AND @.year = ?", name, f.Year)
			continue
		}
		add("movie_genre", "PRIMARY", "@.name = ?", name)
	}
}

func (s *selection) joinMovie() {
	s.tables.WriteString(" CROSS JOIN movie m" + s.dialect.force("PRIMARY") + " ON m.id = " + s.id)
}
