package catalogue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// maxTouched is how many movies an entry lists.
const maxTouched = 20

// ingestion is an entry of the ingest log being built.
type ingestion struct {
	movie.Object
	first, last                  int64
	updates, changes, rejections int
	movies                       []byte // the first maxTouched movies, see outcome
	touched                      int    // number of movies in movies
}

// source identifies an object as stamps do.
type source struct {
	key  string
	time movie.Time
}

// ingestions returns the entries of a batch, sorted by key. touched holds the movies of
// its updates.
func ingestions(batch movie.Batch, touched map[movie.Identity]report.Touched) []ingestion {
	all := make([]ingestion, len(batch.Objects))
	at := make(map[source]int, len(all))
	generations := make(map[[2]string]int, len(all)) // by key and ETag, as rejections name them
	for i, o := range batch.Objects {
		all[i].Object = o
		at[source{o.Key, o.Time}] = i
		generations[[2]string{o.Key, o.ETag}] = i
	}
	seen := make(map[[2]int64]bool) // entry and movie
	for _, u := range batch.Updates {
		i, logged := at[source{u.Stamp.Key, u.Stamp.Time}]
		if !logged {
			continue
		}
		e, t := &all[i], touched[u.Identity]
		e.updates++
		e.extend(u.Stamp.Position)
		if pair := [2]int64{int64(i), t.ID}; !seen[pair] {
			seen[pair] = true
			e.touch(t)
		}
	}
	for _, r := range batch.Rejections {
		if i, logged := generations[[2]string{r.Key, r.ObjectETag}]; logged {
			all[i].rejections++
			all[i].extend(r.Position)
		}
	}
	all = slices.DeleteFunc(all, func(e ingestion) bool {
		return e.last == 0 && !e.Blank
	})
	slices.SortFunc(all, func(a, b ingestion) int { return cmp.Or(strings.Compare(a.Key, b.Key), a.Time.Compare(b.Time)) })
	return all
}

func (e *ingestion) extend(position int64) {
	if e.first == 0 || position < e.first {
		e.first = position
	}
	e.last = max(e.last, position)
}

func (e *ingestion) touch(t report.Touched) {
	if t.Revision > 0 {
		e.changes++
	}
	if e.touched < maxTouched {
		e.touched++
		e.movies = strconv.AppendInt(append(e.movies, ' '), t.ID, 10)
		e.movies = strconv.AppendInt(append(e.movies, '@'), t.Revision, 10)
	}
}

// touched returns the movies of a batch. The changes have the revisions up to last.
func touched(known map[movie.Identity]row, p *plan, changed []change, last int64) map[movie.Identity]report.Touched {
	all := make(map[movie.Identity]report.Touched, len(known)+len(p.steps))
	for identity, r := range known {
		all[identity] = report.Touched{ID: r.id}
	}
	for _, s := range p.steps {
		all[s.after.Identity] = report.Touched{ID: s.id}
	}
	for i, c := range changed {
		all[c.identity] = report.Touched{ID: c.id, Revision: last - int64(len(changed)-1-i)}
	}
	return all
}

// writeIngest logs the objects of a batch. An object that is delivered again on the same
// day is logged once, with its first time, so that one that cannot be deleted does not
// fill the table.
func (c *Catalogue) writeIngest(ctx context.Context, tx *sql.Tx, entries []ingestion) error {
	now := c.db.Now()
	day, at := dayOf(now), now.UnixMilli()
	args := make([]any, 0, 5*len(entries))
	for _, e := range entries {
		args = append(args, day, e.Key, e.Time.String(), e.part(), e.outcome(at))
	}
	return database.Insert(ctx, tx, c.insertIngest(), args)
}

// part returns the part of the generation that the entry concerns: first and last
// position, and ETag. It belongs to the primary key, and later parts sort behind earlier
// ones.
func (e *ingestion) part() string {
	return pad(e.first) + "-" + pad(e.last) + " " + e.ETag
}

func pad(position int64) string {
	text := strconv.FormatInt(position, 10)
	return "0000000000"[min(len(text), 10):] + text
}

// outcome returns time, updates, changes, rejections, and movies as id@revision. One
// column holds them because each column costs writers time and none of these is searched.
func (e *ingestion) outcome(at int64) string {
	text := make([]byte, 0, 40+len(e.movies))
	for i, n := range []int64{at, int64(e.updates), int64(e.changes), int64(e.rejections)} {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(append(text, e.movies...))
}

var errIngest = errors.New("an entry of the ingest log is damaged")

// parseIngest parses the outputs of part and outcome.
func parseIngest(part, outcome string) (report.Ingest, error) {
	i := report.Ingest{Movies: []report.Touched{}}
	positions, etag, found := strings.Cut(part, " ")
	i.ObjectETag = etag
	if _, err := fmt.Sscanf(positions, "%d-%d", &i.First, &i.Last); err != nil || !found {
		return i, errIngest
	}
	var at int64
	if _, err := fmt.Sscanf(outcome, "%d %d %d %d", &at, &i.Updates, &i.Changes, &i.Rejections); err != nil {
		return i, errIngest
	}
	i.Time = fromMilli(at)
	for _, field := range strings.Fields(outcome)[4:] {
		var t report.Touched
		if _, err := fmt.Sscanf(field, "%d@%d", &t.ID, &t.Revision); err != nil {
			return i, errIngest
		}
		i.Movies = append(i.Movies, t)
	}
	return i, nil
}

// dayOf returns the number of days since 1970.
func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

func (c *Catalogue) insertIngest() database.Insertion {
	return database.Insertion{Head: "INSERT INTO ingest (applied_day, object_key, object_time, part, outcome)", Columns: 5, Tail: c.db.OnDuplicate("applied_day, object_key, object_time, part")}
}

// maxIngests bounds the entries that Ingests returns. It looks for them on daysAtOnce days
// at a time.
const (
	maxIngests = 25
	daysAtOnce = 100
)

// Ingests returns the newest entries of the ingest log for a key.
func (c *Catalogue) Ingests(ctx context.Context, key string) ([]report.Ingest, error) {
	entries, err := c.ingests(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read ingest log: %w", err)
	}
	return entries, nil
}

// ingests looks the key up on each kept day, the latest first.
func (c *Catalogue) ingests(ctx context.Context, key string) ([]report.Ingest, error) {
	all := []report.Ingest{}
	for before := int64(math.MaxInt64); len(all) < maxIngests; {
		days, err := loggedDays(ctx, c.db.Reader(), before)
		if err != nil || len(days) == 0 {
			return all, err
		}
		found, err := c.ingestsOf(ctx, key, days, maxIngests-len(all))
		if err != nil {
			return nil, err
		}
		all, before = append(all, found...), days[len(days)-1]
	}
	return all, nil
}

func (c *Catalogue) ingestsOf(ctx context.Context, key string, days []int64, most int) (found []report.Ingest, err error) {
	query := "SELECT object_time, part, outcome FROM ingest" + c.db.Force("PRIMARY") +
		" WHERE object_key = ? AND applied_day IN " + database.Tuples(1, len(days)) + " ORDER BY applied_day DESC, object_time DESC, part DESC LIMIT ?"
	err = database.ForEach(ctx, c.db.Reader(), func(rows *sql.Rows) error {
		var modified, part, outcome string
		if err := rows.Scan(&modified, &part, &outcome); err != nil {
			return err
		}
		i, err := parseIngest(part, outcome)
		if err != nil {
			return err
		}
		at, err := movie.ParseTime(modified)
		i.ObjectTime = at.Time()
		found = append(found, i)
		return err
	}, query, slices.Concat([]any{key}, anys(days), []any{most})...)
	return found, err
}

// loggedDays returns the last days before one of which the ingest log has entries, the
// latest first. It asks for one after the other: days without entries, which are many after
// a wrong clock, cost nothing.
func loggedDays(ctx context.Context, q database.Querier, before int64) (days []int64, err error) {
	for len(days) < daysAtOnce {
		var day sql.NullInt64
		if err := q.QueryRowContext(ctx, "SELECT MAX(applied_day) FROM ingest WHERE applied_day < ?", before).Scan(&day); err != nil {
			return nil, err
		}
		if !day.Valid {
			break
		}
		days, before = append(days, day.Int64), day.Int64
	}
	return days, nil
}
