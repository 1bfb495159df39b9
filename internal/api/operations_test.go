package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// deliver commits an object with updates.
func deliver(t *testing.T, db *catalogue.Catalogue, second int64, key string, updates ...movie.Update) {
	t.Helper()
	for i := range updates {
		updates[i].Stamp = movie.Stamp{Time: movie.Time{Sec: second}, Key: key, Position: int64(i + 1)}
	}
	_, err := db.Apply(t.Context(), movie.Batch{Objects: []movie.Object{{Key: key, ETag: `"1"`, Time: movie.Time{Sec: second}}}, Updates: updates})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMovieOrigins: /movie names the object behind each part and each change of a movie.
func TestMovieOrigins(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		one := movie.Identity{Title: "Amélie", Year: 2001}
		deliver(t, db, 10, "first", movie.Update{Identity: one, Cast: []string{"a"}, Genres: []string{"x"}})
		deliver(t, db, 20, "second", movie.Update{Identity: one, Cast: []string{"b"}})
		deliver(t, db, 30, "third", movie.Update{Identity: movie.Identity{Title: "Two", Year: 2000}}, movie.Update{Identity: one})
		deliver(t, db, 40, "fourth", movie.Update{Identity: movie.Identity{Title: "Two", Year: 2000}, Deleted: true})
		server := httptest.NewServer(operations(&api.Operations{Records: db, Tracer: audit.New(databasetest.Open(t, o))}))
		defer server.Close()
		const parts = `"parts":[{"part":"updated","key":"third","time":"1970-01-01T00:00:30Z","position":2},` +
			`{"part":"cast","key":"second","time":"1970-01-01T00:00:20Z","position":1},{"part":"genres","key":"first","time":"1970-01-01T00:00:10Z","position":1}],` +
			`"history":[{"revision":2,"time":"T","changed":["cast"],"object":"second"},{"revision":1,"time":"T","changed":["created"],"object":"first"}]}`
		for path, want := range map[string]string{
			"/movie?id=1":                           `{"id":1,"title":"Amélie","year":2001,"visible":true,` + parts,
			"/movie?title=+Ame%CC%81lie+&year=2001": `{"id":1,"title":"Amélie","year":2001,"visible":true,` + parts,
			// No part comes from the object that created the movie, so the history lacks it.
			"/movie?id=2": `{"id":2,"title":"Two","year":2000,"visible":false,"parts":[{"part":"deleted","key":"fourth","time":"1970-01-01T00:00:40Z","position":1}],` +
				`"history":[{"revision":4,"time":"T","changed":["deleted"],"object":"fourth"},{"revision":3,"time":"T","changed":["created"],"object":null}]}`,
		} {
			got := ask(t, http.MethodGet, server.URL+path)
			shown := regexp.MustCompile(`"time":"20[^"]*"`).ReplaceAllString(string(got.body), `"time":"T"`)
			if diff := cmp.Diff(want+"\n", shown); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", path, got.status, diff)
			}
			checkHeader(t, path, got, "Cache-Control", "no-store")
			checkHeader(t, path, got, "Access-Control-Allow-Origin", "")
			checkHeader(t, path, got, "Content-Type", "application/json")
		}
		for _, path := range []string{"/movie?id=9", "/movie?title=Amelie&year=2001"} {
			checkProblem(t, path, ask(t, http.MethodGet, server.URL+path), http.StatusNotFound)
		}
		for _, path := range []string{"/movie", "/movie?id=0", "/movie?id=x", "/movie?title=Two", "/movie?year=2000", "/movie?id=1&title=Two", "/movie?id=1&year=2000", "/movie?title=Two&year=0", "/movie?key=a"} {
			checkProblem(t, path, ask(t, http.MethodGet, server.URL+path), http.StatusBadRequest)
		}
		got := ask(t, http.MethodPost, server.URL+"/movie?id=1")
		checkProblem(t, "POST", got, http.StatusMethodNotAllowed)
		checkHeader(t, "POST", got, "Allow", "GET, HEAD")
	})
}

// TestReasons: rejections are grouped by reason without the found value, with five examples.
func TestReasons(t *testing.T) {
	db := cataloguetest.Open(t, databasetest.SQLite(t))
	reject := func(n int, reason func(i int) string) {
		var b movie.Batch
		for i := range n {
			b.Rejections = append(b.Rejections, movie.Rejection{Key: fmt.Sprintf("In/e\u0301%d.json", i), ObjectETag: reason(0), Position: int64(i + 1), Reason: reason(i)})
		}
		if _, err := db.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(operations(&api.Operations{Records: db}))
	defer server.Close()
	type answer struct {
		Searched, Matched int
		Reasons           []struct {
			Reason     string
			Count      int
			Rejections []struct {
				ID          int64
				Key, Reason string
			}
		}
	}
	get := func(path string) (a answer) {
		got := ask(t, http.MethodGet, server.URL+path)
		if err := json.Unmarshal(got.body, &a); err != nil || got.status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, got.status, err)
		}
		checkHeader(t, path, got, "Cache-Control", "no-store")
		return a
	}
	if got := string(ask(t, http.MethodGet, server.URL+"/rejections/reasons").body); got != `{"searched":0,"matched":0,"reasons":[]}`+"\n" {
		t.Errorf("none: %s", got)
	}
	reject(900, func(int) string { return "title: found nothing, expected a string" }) // the search omits the oldest 10
	reject(100, func(i int) string {
		return fmt.Sprintf(`year: found string "%d", expected an integer from 1 to 9999: write %d without quotes`, 1900+i, 1900+i)
	})
	reject(10, func(i int) string { return fmt.Sprintf(`cast/%d: found number %d.5, expected a string`, i, i) })
	all := get("/rejections/reasons")
	if all.Searched != 1000 || all.Matched != 1000 || len(all.Reasons) != 3 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []struct {
		reason string
		count  int
	}{
		{"title: found nothing, expected a string", 890}, {"year: found string …, expected an integer from 1 to 9999", 100}, {"cast/…: found number …, expected a string", 10},
	} {
		got := all.Reasons[i]
		if got.Reason != want.reason || got.Count != want.count || len(got.Rejections) != 5 || got.Rejections[0].ID <= got.Rejections[4].ID {
			t.Errorf("%+v, want %v and the newest five", got, want)
		}
	}
	for q, want := range map[string]int{"found+string": 100, "IN%2F%C3%897.json": 2, "In%2Fe%CC%817.json": 2, "nothing+like+it": 0} {
		got := get("/rejections/reasons?q=" + q)
		if got.Searched != 1000 || got.Matched != want {
			t.Errorf("%s: %d of %d, want %d", q, got.Matched, got.Searched, want)
		}
	}
	for _, path := range []string{"/rejections/reasons?q=", "/rejections/reasons?limit=3", "/rejections/reasons?q=a&q=b"} {
		checkProblem(t, path, ask(t, http.MethodGet, server.URL+path), http.StatusBadRequest)
	}
	checkProblem(t, "POST", ask(t, http.MethodPost, server.URL+"/rejections/reasons"), http.StatusMethodNotAllowed)
}

// TestCatalogueSection: the section lists all workers' reports and the sums of /status.
func TestCatalogueSection(t *testing.T) {
	db := cataloguetest.Open(t, databasetest.SQLite(t))
	deliver(t, db, 1, "a", movie.Update{Identity: movie.Identity{Title: "One", Year: 2000}})
	oldest := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	pass := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, w := range []report.Worker{
		{Shard: "", LastPass: pass.Add(-time.Hour), ObjectsWaiting: 9}, // before the bucket was split into shards
		{Shard: "0/2", LastPass: pass, LastCommit: pass.Add(-time.Second), ObjectsWaiting: 3, OldestWaiting: &oldest},
		{Shard: "1/2", LastPass: pass},
	} {
		if err := db.Report(t.Context(), w); err != nil {
			t.Fatal(i, err)
		}
	}
	o := &api.Operations{Records: db}
	asked := time.Now()
	got, err := o.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	text = checkOldest(t, text, oldest, asked)
	want := fmt.Sprintf(`{"revision":1,"movies":1,"last_commit":"2026-03-01T11:59:59Z","objects_waiting":3,"oldest_waiting_seconds":200,"workers":[`+
		`{"shard":"0/2","last_pass":"2026-03-01T12:00:00Z","last_commit":"2026-03-01T11:59:59Z","objects_waiting":3,"oldest_waiting":%q},`+
		`{"shard":"1/2","last_pass":"2026-03-01T12:00:00Z","last_commit":null,"objects_waiting":0,"oldest_waiting":null}]}`, oldest.Format(time.RFC3339Nano))
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

// TestAPISection: the section describes the index when it is off, before it loads, and after.
func TestAPISection(t *testing.T) {
	shown := func(a *api.API) string {
		got, err := a.Overview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`_seconds":[0-9][^,}]*`).ReplaceAllString(string(text), `_seconds":0`)
	}
	off := api.New(api.Options{Catalogue: stock(t)})
	if got := shown(off); got != `{"revision":null,"confirmed_seconds":null,"replica_lag_seconds":null,"index":null}` {
		t.Errorf("without an index: %s", got)
	}
	s := stock(t)
	a := api.New(api.Options{Catalogue: s, Source: s, Missing: func(context.Context) (time.Time, error) { return time.Time{}, nil }})
	if got := shown(a); got != `{"revision":null,"confirmed_seconds":null,"replica_lag_seconds":0,"index":{"movies":0,"loading":false,"loaded":0,"expected":0,"load_seconds":0}}` {
		t.Errorf("before: %s", got)
	}
	a = start(t, s, logless)
	record(t, a, http.MethodGet, "/movies") // waits until the index is loaded
	if got := shown(a); !strings.HasPrefix(got, `{"revision":6,"confirmed_seconds":0,"replica_lag_seconds":null,"index":{"movies":4,"loading":false,"loaded":`) {
		t.Errorf("after: %s", got)
	}
}

// awayRecords fails every read.
type awayRecords struct{ api.Records }

func (awayRecords) Rejections(context.Context, int64, int) ([]report.Rejection, error) {
	return nil, errSecrets
}
func (awayRecords) Trace(context.Context, string) (report.Trace, error) {
	return report.Trace{}, errSecrets
}
func (awayRecords) Origins(context.Context, int64, movie.Identity) (report.Origins, error) {
	return report.Origins{}, errSecrets
}
func (awayRecords) Status(context.Context) (report.Status, error) { return report.Status{}, errSecrets }

// TestRecordsAway: the admin endpoints return the cause.
func TestRecordsAway(t *testing.T) {
	o := &api.Operations{Records: awayRecords{}, Tracer: awayRecords{}}
	server := httptest.NewServer(operations(o))
	defer server.Close()
	for _, path := range []string{"/rejections", "/rejections/reasons", "/objects?key=a", "/movie?id=1"} {
		got := ask(t, http.MethodGet, server.URL+path)
		if p := checkProblem(t, path, got, http.StatusServiceUnavailable); !strings.Contains(p.Detail, errSecrets.Error()) {
			t.Errorf("%s: %s", path, got.body)
		}
		checkHeader(t, path, got, "Retry-After", "5")
	}
	if _, err := o.Catalogue(t.Context()); !errors.Is(err, errSecrets) {
		t.Errorf("the section's error is %v", err)
	}
}
