package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"jpmovies/internal/movie"
)

// mirror is a copy of the catalogue, kept by following its changes.
type mirror struct {
	revision int64
	movies   map[int64]string
}

// read checks the catalogue again and again, as readers would see it.
func (s *simulation) read(ctx context.Context, stop <-chan struct{}) {
	for n := 0; ; n++ {
		s.wait(slot{actor: actorReader}, between(s.draw("reader", n), 10*time.Millisecond, 6*time.Second))
		if closed(stop) {
			return
		}
		s.locked(func() { s.checkCatalogue(ctx) })
	}
}

// checkCatalogue compares the visible movies with the merge of the committed updates, and the
// mirror with the visible movies. The caller holds the lock.
func (s *simulation) checkCatalogue(ctx context.Context) {
	s.follow(ctx)
	shown := make(map[int64]string)
	var got []string
	for _, r := range s.query(ctx, "SELECT id, fields FROM movie WHERE hidden = 0 ORDER BY id", 2) {
		shown[number64(r[0])] = r[1]
		got = append(got, r[1])
	}
	var want []string
	for identity, h := range s.ledger.movies {
		if v := h.view(); v.visible {
			want = append(want, fields(identity, v))
		}
	}
	s.compare("visible movies", want, got)
	s.compare("the mirror", lines(shown), lines(s.mirror.movies))
	s.checkRejections(ctx)
	s.noteLocked("reader", fmt.Sprintf("revision %d, %d movies", s.mirror.revision, len(shown)))
}

// follow applies the changes since the last call to the mirror.
func (s *simulation) follow(ctx context.Context) {
	for _, r := range s.query(ctx, "SELECT c.revision, c.movie_id, m.hidden, m.fields FROM change_log c LEFT JOIN movie m ON m.id = c.movie_id "+
		fmt.Sprintf("WHERE c.revision > %d ORDER BY c.revision", s.mirror.revision), 4) {
		s.mirror.revision++
		if revision := number64(r[0]); revision != s.mirror.revision {
			s.failLocked("revision is %d, want %d", revision, s.mirror.revision)
			s.mirror.revision = revision
		}
		if r[2] == "0" {
			s.mirror.movies[number64(r[1])] = r[3]
		} else {
			delete(s.mirror.movies, number64(r[1]))
		}
	}
}

// checkEnd checks everything after the bucket was drained.
func (s *simulation) checkEnd(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkCatalogue(ctx)
	s.mirror = mirror{movies: make(map[int64]string)} // follow all changes once more
	s.checkCatalogue(ctx)
	s.checkTables(ctx)
	s.checkIngestLog(ctx)
	s.checkBucket()
	for _, query := range []string{
		"SELECT id || title || year || hidden || fields || hex(stamps) FROM movie ORDER BY id",
		"SELECT revision || ' ' || movie_id FROM change_log ORDER BY revision",
		"SELECT object_key || object_etag || position || reason || hex(bytes) FROM rejection ORDER BY id",
	} {
		s.tables = append(s.tables, fmt.Sprint(s.query(ctx, query, 1)))
	}
	s.stats.differs = s.ledger.differs()
}

// checkTables compares every row with the ledger.
func (s *simulation) checkTables(ctx context.Context) {
	var got, want, casts, genres []string
	visible := 0
	for _, r := range s.query(ctx, "SELECT id, title, year, hidden, stamps FROM movie", 5) {
		var stored movie.Record
		if err := stored.SetStamps([]byte(r[4])); err != nil {
			s.failLocked("stamps: %v", err)
		}
		got = append(got, fmt.Sprint(r[1], "|", r[2], "|", r[3], "|", stored.Updated, stored.Deleted, stored.Cast.Stamp, stored.Genres.Stamp))
		h := s.ledger.movies[movie.Identity{Title: r[1], Year: int(number64(r[2]))}]
		if h == nil {
			continue // the comparison of rows reports it
		}
		v := h.view()
		for _, name := range v.cast {
			casts = append(casts, name+"|"+r[0])
		}
		for _, name := range v.genres {
			genres = append(genres, name+"|"+r[0])
		}
	}
	for identity, h := range s.ledger.movies {
		v, hidden := h.view(), 1
		if v.visible {
			hidden = 0
			visible++
		}
		want = append(want, fmt.Sprint(identity.Title, "|", identity.Year, "|", hidden, "|", v.updated, v.deleted, v.casts, v.genre))
	}
	s.compare("rows of movie", want, got)
	s.compare("rows of movie_cast", casts, s.rows(ctx, "SELECT name, movie_id FROM movie_cast", 2))
	s.compare("rows of movie_genre", genres, s.rows(ctx, "SELECT name, movie_id FROM movie_genre", 2))
	s.compare("the catalogue's row", []string{fmt.Sprint(s.mirror.revision, "|", visible)},
		s.rows(ctx, "SELECT revision, movies FROM catalogue", 2))
}

func (s *simulation) checkRejections(ctx context.Context) {
	var want []string
	for r := range s.ledger.rejections {
		want = append(want, fmt.Sprint(r.Key, "|", r.ETag, "|", r.position))
	}
	s.compare("rejections", want, s.rows(ctx, "SELECT object_key, object_etag, position FROM rejection", 3))
}

// checkIngestLog checks that every committed update lies in a logged part, and that nothing
// else is logged. It cannot distinguish two generations of one key with equal times.
func (s *simulation) checkIngestLog(ctx context.Context) {
	logged := make(map[movie.Stamp]bool)
	for _, r := range s.query(ctx, "SELECT object_key, object_time, part FROM ingest", 3) {
		var first, last int64
		if _, err := fmt.Sscanf(r[2], "%d-%d", &first, &last); err != nil {
			panic(err)
		}
		at := movie.Stamp{Key: r[0]}
		var err error
		if at.Time, err = movie.ParseTime(r[1]); err != nil {
			panic(err)
		}
		if !slices.ContainsFunc(s.ledger.all[at.Key], func(g *generation) bool {
			return g.time == at.Time && strings.HasSuffix(r[2], " "+g.ETag) && last <= int64(len(g.items))
		}) {
			s.failLocked("the ingest log names a part that no producer wrote: %q", r)
		}
		for at.Position = first; at.Position <= last; at.Position++ {
			logged[at] = true
		}
	}
	for g, positions := range s.ledger.own {
		for position := range positions {
			if !logged[movie.Stamp{Key: g.Key, Time: g.time, Position: position}] {
				s.failLocked("update %d of %q (%s) was committed and is not logged", position, g.Key, g.time.Time())
			}
		}
	}
}

// checkBucket checks that only objects that are no input remain.
func (s *simulation) checkBucket() {
	want := []string{"folder/", "x/.jpmovies-probe/left"}
	for key := range s.ledger.there {
		want = append(want, key) // folder markers; awaitDrained reports others
	}
	s.compare("the bucket", want, s.memory.Keys())
	if open := s.memory.Counts().OpenReaders; open != 0 {
		s.failLocked("%d bodies were not closed", open)
	}
}

// compare records how two lists differ, whatever their order.
func (s *simulation) compare(what string, want, got []string) {
	slices.Sort(want)
	slices.Sort(got)
	if slices.Equal(want, got) {
		return
	}
	missing := slices.DeleteFunc(slices.Clone(want), func(x string) bool { return slices.Contains(got, x) })
	extra := slices.DeleteFunc(slices.Clone(got), func(x string) bool { return slices.Contains(want, x) })
	s.failLocked("%s: %d, want %d; missing %q, unexpected %q", what, len(got), len(want), missing, extra)
}

// fields returns the expected serialised form of a movie.
func fields(identity movie.Identity, v view) string {
	list := func(names []string) string {
		all := make([]string, len(names))
		for i, name := range names {
			all[i] = quoted(name)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprintf(`"title": %s, "year": %d, "cast": %s, "genres": %s`, quoted(identity.Title), identity.Year, list(v.cast), list(v.genres))
}

func lines(movies map[int64]string) []string {
	var all []string
	for id, text := range movies {
		all = append(all, fmt.Sprint(id, " ", text))
	}
	return all
}

func (s *simulation) rows(ctx context.Context, statement string, columns int) []string {
	var all []string
	for _, r := range s.query(ctx, statement, columns) {
		all = append(all, strings.Join(r, "|"))
	}
	return all
}

func (s *simulation) query(ctx context.Context, statement string, columns int) [][]string {
	rows, err := s.raw.QueryContext(ctx, statement)
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		values, targets := make([]string, columns), make([]any, columns)
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			panic(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		panic(err)
	}
	return all
}

func number64(text string) int64 {
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil {
		panic(err)
	}
	return n
}
