package catalogue_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestPlans asks each engine for the plan of each statement of the program: none scans a whole
// table, and none sorts more than a few rows. It compares the plans with golden files for one
// version of the engine, so that a review sees each change.
func TestPlans(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		heard := &statements{seen: map[string][]any{}}
		other := cataloguetest.Open(t, o)
		o.OpenPool = heard.openPool
		if o.File == "" { // the server acts as its own replica, so that the queries to a primary run too
			o.ReplicaHost, o.ReplicaPort = o.Host, o.Port
		}
		engine := databasetest.Open(t, o)
		db := catalogue.New(engine)
		raw := databasetest.Raw(t, o)
		random := rand.New(rand.NewPCG(1, 2))
		fill := func() {
			if _, err := other.Apply(t.Context(), movie.Batch{Updates: shelf(random, 3000)}); err != nil {
				t.Fatal(err)
			}
			if o.File == "" {
				databasetest.Exec(t, raw, "ANALYZE TABLE movie, movie_cast, movie_genre, change_log, rejection, ingest")
			}
		}
		fill()
		heard.forget()
		runAll(t, db, engine, raw)
		fill() // Prune has emptied tables, and empty tables have other plans
		if len(heard.seen) < 40 {
			t.Errorf("only %d statements were heard", len(heard.seen))
		}
		name := databasetest.Engine(t, o)
		var shown []string
		for _, query := range heard.all() {
			plan := explain(t, raw, name, query, heard.seen[query])
			judge(t, query, plan)
			shown = append(shown, repeated.ReplaceAllString(query, "$1, ...")+"\n    "+strings.ReplaceAll(strings.Join(plan, "\n    "), o.Name+".", "")+"\n")
		}
		shown = slices.Compact(shown)
		compare(t, filepath.Join("testdata", "plans", name+".txt"), strings.Join(shown, "\n"))
	})
}

// repeated matches the repeated values of a list.
var repeated = regexp.MustCompile(`(\(\?,\?\)|\?)(,(\(\?,\?\)|\?))+`)

// runAll runs the program's statements, each on data that it matches. It leaves out Verify and
// Repair, which scan all rows on purpose.
func runAll(t *testing.T, db *catalogue.Catalogue, engine *database.DB, raw *sql.DB) {
	t.Helper()
	ctx := t.Context()
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	for _, f := range filters {
		_, _, err := db.Movies(ctx, f, 0, 25)
		check(nil, err)
		check(nil, db.Export(ctx, f, func(int64) error { return nil }, func([]movie.Row) error { return nil }))
	}
	check(nil, db.Snapshot(ctx, func(movie.Mark, int64) error { return nil }, func([]movie.State) error { return nil }))
	at := databasetest.Query(t, raw, "SELECT revision, movie_id, changed_at FROM change_log WHERE revision = 7", 3)[0]
	mark := movie.Mark{Revision: 7, Movie: int64(atoi(t, at[1])), ChangedAt: int64(atoi(t, at[2]))}
	check(db.Since(ctx, mark, func([]movie.State) error { return nil }))
	check(db.Movie(ctx, 1))
	check(db.Revision(ctx))
	check(db.Changes(ctx, 7, 100))
	check(nil, engine.CheckSchema(ctx))
	check(nil, db.Report(ctx, report.Worker{Shard: "0/1", LastPass: time.Now()}))
	check(db.Status(ctx))
	changed := []movie.Update{
		cataloguetest.Update(9000, "Lion lions 7", 1999, []string{"new"}, []string{"new"}), cataloguetest.Update(9001, "quite new", 1999, nil, nil),
		cataloguetest.Update(9002, "Lion lions 9", 1999, []string{}, []string{}),
	}
	check(db.Apply(ctx, movie.Batch{Objects: []movie.Object{{Key: "k", ETag: "e"}}, Updates: changed, Rejections: []movie.Rejection{{Key: "k", ObjectETag: "e", Position: 1, Reason: "bad"}}}))
	for i := range changed {
		changed[i].Cast, changed[i].Genres, changed[i].Stamp.Time = []string{"other"}, []string{"other"}, movie.Time{Sec: 9010}
	}
	check(db.Apply(ctx, movie.Batch{Updates: changed}))
	for i := range changed { // a later time, and no news
		changed[i].Stamp.Time = movie.Time{Sec: 9015}
	}
	check(db.Apply(ctx, movie.Batch{Updates: changed}))
	gone := cataloguetest.Update(9020, "quite new", 1999, nil, nil)
	gone.Deleted = true
	check(db.Apply(ctx, movie.Batch{Updates: []movie.Update{gone}}))
	rejections, err := db.Rejections(ctx, 0, 100)
	check(nil, err)
	check(db.Rejections(ctx, 1000, 100))
	check(audit.New(engine).Trace(ctx, "k"))
	check(db.Missing(ctx))
	check(db.History(ctx, 1, 0, 25))
	check(db.History(ctx, 1, 9000, 25))
	for _, r := range rejections {
		check(db.Rejection(ctx, r.ID))
		check(nil, db.DropRejection(ctx, r.ID))
	}
	check(db.Prune(ctx, time.Now().Add(24*time.Hour), time.Now().Add(24*time.Hour))) // all rows are old
}

// filters covers all kinds of filters, alone and combined.
var filters = []movie.Filter{
	{},
	{Title: "Lion lions 7"},
	{Title: "Lion lions 7", Year: 1999, Cast: []string{"actor 1"}, Genres: []string{"genre 1"}},
	{Year: 1999},
	{YearFrom: 1990, YearTo: 1991},
	{YearFrom: 1935},
	{Cast: []string{"actor 1"}},
	{Cast: []string{"actor 1", "actor 2"}},
	{Genres: []string{"genre 1"}},
	{Genres: []string{"genre 1", "genre 2"}},
	{Genres: []string{"genre 1", "genre 2", "genre 3"}, Year: 1999},
	{Genres: []string{"genre 1", "genre 2"}, YearFrom: 1990, YearTo: 1991},
	{Genres: []string{"genre 1"}, Year: 1999},
	{Genres: []string{"genre 1"}, YearFrom: 1990, YearTo: 1991},
	{Cast: []string{"actor 1"}, Genres: []string{"genre 1"}, Year: 1999},
	{Words: movie.Words("the li")},
	{IDs: []int64{3, 700, 5}},
}

// statements records the statements that pass through a pool, by text, each with its arguments.
type statements struct {
	mu   sync.Mutex
	seen map[string][]any
}

func (s *statements) openPool(c driver.Connector) *sql.DB {
	return otelsql.OpenDB(c, otelsql.WithTracerProvider(sdktrace.NewTracerProvider()), otelsql.WithAttributesGetter(
		func(_ context.Context, _ otelsql.Method, query string, given []driver.NamedValue) []attribute.KeyValue {
			s.hear(query, given)
			return nil
		}))
}

// explained matches the statements whose plan is worth checking.
var explained = regexp.MustCompile(`^(SELECT .* FROM|UPDATE|DELETE) `)

func (s *statements) hear(query string, given []driver.NamedValue) {
	if !explained.MatchString(query) || strings.Contains(query, "schema") {
		return
	}
	args := make([]any, len(given))
	for i, arg := range given {
		args[i] = arg.Value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[query] = args
}

func (s *statements) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.seen)
}

func (s *statements) all() []string {
	var queries []string
	for query := range s.seen {
		queries = append(queries, query)
	}
	slices.Sort(queries)
	return queries
}

// explain returns a plan, one line for each table, without the estimated row counts.
func explain(t *testing.T, raw *sql.DB, engine, query string, args []any) []string {
	t.Helper()
	ask, kept := "EXPLAIN FORMAT=TRADITIONAL ", []string{"table", "type", "key", "ref", "Extra"}
	switch engine, _, _ := strings.Cut(engine, "-"); engine {
	case "sqlite":
		ask, kept = "EXPLAIN QUERY PLAN ", []string{"detail"}
	case "tidb":
		ask, kept = "EXPLAIN FORMAT='brief' ", []string{"id", "access object", "operator info"}
	}
	rows, err := raw.QueryContext(t.Context(), ask+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, name := range kept {
			if value := values[slices.Index(columns, name)]; value.Valid && value.String != "" {
				line = append(line, value.String)
			}
		}
		plan = append(plan, strings.Join(line, ", "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}

// bounded matches statements that sort or scan a set that does not grow with the catalogue: the
// movies of one title, or the workers.
var bounded = regexp.MustCompile(`FROM worker_status |m\.title = `)

// judge fails on a plan whose cost grows with the catalogue. A scan in key order with a LIMIT is
// fine.
func judge(t *testing.T, query string, plan []string) {
	t.Helper()
	all := strings.Join(plan, "\n")
	sorts := strings.Contains(all, "filesort") || strings.Contains(all, "TEMP B-TREE")
	walks := scan.MatchString(all)
	if !bounded.MatchString(query) && (sorts || walks && !strings.Contains(query, " LIMIT ")) {
		t.Errorf("%s\n    %s", query, strings.Join(plan, "\n    "))
	}
}

// scan matches a full scan in a plan: the access type of a table, or SQLite's SCAN, except of the
// rows of a VALUES list.
var scan = regexp.MustCompile(`TableFullScan|, (ALL|index)(,|\n|$)|(^|\n)SCAN (\w+($|\n)|\w+ USING)`)

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(golden), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if os.IsNotExist(err) {
		t.Logf("no golden copy for this version of the engine: %s", golden)
		return
	}
	if diff := cmp.Diff(string(want), got); err != nil || diff != "" {
		t.Errorf("%v; golden -, got +, go test ./internal/catalogue -run Plans -update rewrites it: %s", err, diff)
	}
}
