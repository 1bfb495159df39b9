package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

func TestCounts(t *testing.T) {
	s := &shelf{t: t}
	for i, m := range samples {
		s.put(int64(i+1), &m)
	}
	s.put(deleted, nil)
	url := serve(t, s, logless)
	for path, want := range map[string]string{
		"/genres": `{"genres": [
{"genre": "Politics", "movies": 2, "movies_url": "/movies?genre=Politics"},
{"genre": "Action", "movies": 1, "movies_url": "/movies?genre=Action"},
{"genre": "Drama", "movies": 1, "movies_url": "/movies?genre=Drama"}
]}
`,
		"/years": `{"years": [
{"year": 1962, "movies": 1, "movies_url": "/movies?year=1962"},
{"year": 1999, "movies": 1, "movies_url": "/movies?year=1999"},
{"year": 2020, "movies": 2, "movies_url": "/movies?year=2020"}
]}
`,
	} {
		got := ask(t, http.MethodGet, url+path)
		if string(got.body) != want {
			t.Errorf("%s is\n%s, want\n%s", path, got.body, want)
		}
		checkFresh(t, path, got)
		checkAnswer(t, url, path, got)
	}
}

// TestNoCounts: a list is never null. Links work for odd names and early years.
func TestNoCounts(t *testing.T) {
	a := start(t, &shelf{t: t}, logless)
	for path, want := range map[string]string{"/genres": "{\"genres\": []}\n", "/years": "{\"years\": []}\n"} {
		if got := record(t, a, http.MethodGet, path); string(got.body) != want {
			t.Errorf("%s is %q", path, got.body)
		}
	}
	odd := &shelf{t: t}
	for i, name := range []string{`"\<&`, "a+b c%;", "a\u2028\x01b", "é🎬"} {
		odd.put(int64(i+1), &movie.Movie{Identity: movie.Identity{Title: "x", Year: 7 + 93*i}, Genres: []string{name}})
	}
	a = start(t, odd, logless)
	var genres struct {
		Genres []struct {
			Genre string `json:"genre"`
			URL   string `json:"movies_url"`
		} `json:"genres"`
	}
	var years struct {
		Years []struct {
			URL string `json:"movies_url"`
		} `json:"years"`
	}
	if err := json.Unmarshal(record(t, a, http.MethodGet, "/genres").body, &genres); err != nil || len(genres.Genres) != 4 {
		t.Fatalf("%v %+v", err, genres)
	}
	if err := json.Unmarshal(record(t, a, http.MethodGet, "/years").body, &years); err != nil || len(years.Years) != 4 {
		t.Fatalf("%v %+v", err, years)
	}
	for i := range 4 {
		for _, url := range []string{genres.Genres[i].URL, years.Years[i].URL} {
			var found struct{ Movies []shown }
			if err := json.Unmarshal(record(t, a, http.MethodGet, url).body, &found); err != nil || len(found.Movies) != 1 {
				t.Errorf("%s: %v, %d movies", url, err, len(found.Movies))
			}
		}
	}
}

// oldestSeconds is the age of the oldest waiting object in a status.
var oldestSeconds = regexp.MustCompile(`"oldest_waiting_seconds":(\d+)`)

// checkOldest expects that a status shows the age that the oldest object had at some time since
// asked. It returns the status with an age of 200, so that the caller can compare the whole of it.
func checkOldest(t *testing.T, status []byte, oldest, asked time.Time) []byte {
	t.Helper()
	shown := oldestSeconds.FindSubmatch(status)
	if shown == nil {
		return status
	}
	age, err := strconv.ParseInt(string(shown[1]), 10, 64)
	least, most := int64(asked.Sub(oldest)/time.Second), int64(time.Since(oldest)/time.Second)
	if err != nil || age < least || age > most {
		t.Errorf("the oldest object has waited for %s s, want %d to %d", shown[1], least, most)
	}
	return oldestSeconds.ReplaceAll(status, []byte(`"oldest_waiting_seconds":200`))
}

func TestStatus(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	oldest := time.Unix(time.Now().Unix()-200, 0)
	younger := oldest.Add(100 * time.Second)
	workers := []report.Worker{
		{Shard: "0/3", LastPass: at, LastCommit: at.Add(-time.Hour), ObjectsWaiting: 3, OldestWaiting: &younger},
		{Shard: "1/3", LastPass: at, LastCommit: at, ObjectsWaiting: 4, OldestWaiting: &oldest},
		{Shard: "2/3", LastPass: at},
	}
	check := func(t *testing.T, name, url, want string) {
		t.Helper()
		asked := time.Now()
		got := ask(t, http.MethodGet, url+"/status")
		got.body = checkOldest(t, got.body, oldest, asked)
		if got.status != http.StatusOK || string(got.body) != want+"\n" {
			t.Errorf("%s: %d %s, want %s", name, got.status, got.body, want)
		}
		checkHeader(t, name, got, "Cache-Control", "no-store")
		checkHeader(t, name, got, "Content-Type", "application/json")
	}
	const none = `{"revision":0,"movies":0,"last_commit":null,"objects_waiting":0,"oldest_waiting_seconds":null,"workers":[],"version":"1.2.3"}`
	const some = `{"revision":2,"movies":1,"last_commit":"2026-03-01T12:00:00Z","objects_waiting":7,"oldest_waiting_seconds":200,` +
		`"workers":[{"shard":"0/3","last_pass":"2026-03-01T12:00:00Z"},{"shard":"1/3","last_pass":"2026-03-01T12:00:00Z"},{"shard":"2/3","last_pass":"2026-03-01T12:00:00Z"}],"version":"1.2.3"}`
	s := &shelf{t: t}
	url := serve(t, s, logless)
	check(t, "none", url, none)
	s.put(1, &samples[0])
	s.put(2, nil)
	s.set(func() { s.workers = workers })
	check(t, "some", url, some)
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		url := serve(t, db, logless)
		check(t, "none", url, none)
		update := movie.Update{Identity: samples[0].Identity, Stamp: movie.Stamp{Position: 1}}
		gone := movie.Update{Identity: samples[1].Identity, Stamp: movie.Stamp{Position: 2}}
		apply(t, db, update, gone)
		gone.Deleted, gone.Stamp.Position = true, 3
		apply(t, db, gone)
		for _, w := range workers {
			if err := db.Report(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		asked := time.Now()
		got := ask(t, http.MethodGet, url+"/status")
		var shown struct {
			Revision, Movies int64
			Oldest           int64  `json:"oldest_waiting_seconds"`
			Waiting          int    `json:"objects_waiting"`
			LastCommit       string `json:"last_commit"`
			Workers          []any
		}
		if err := json.Unmarshal(checkOldest(t, got.body, oldest, asked), &shown); err != nil {
			t.Fatal(err)
		}
		if shown.Revision != 3 || shown.Movies != 1 || shown.Oldest != 200 || shown.Waiting != 7 ||
			shown.LastCommit != "2026-03-01T12:00:00Z" || len(shown.Workers) != 3 {
			t.Errorf("%s", got.body)
		}
		checkAnswer(t, url, "/status", got)
	})
}

// TestRejections: the admin port lists rejections in pages.
func TestRejections(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		server := httptest.NewServer(operations(&api.Operations{Records: db, Tracer: audit.New(databasetest.Open(t, o))}))
		defer server.Close()
		url := server.URL
		if got := ask(t, http.MethodGet, url+"/rejections"); string(got.body) != `{"rejections":[],"next_url":null}`+"\n" {
			t.Errorf("none: %s", got.body)
		}
		for i := range 3 {
			_, err := db.Apply(t.Context(), movie.Batch{Rejections: []movie.Rejection{{
				Key: fmt.Sprintf("a/<%d>.json", i), ObjectETag: `"tag"`, Position: int64(i + 1), Reason: `title: found "", expected text`, Bytes: []byte("secret"),
			}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		var page struct {
			Rejections []struct {
				ID, Position int64
				Key, Reason  string
				ETag         string    `json:"object_etag"`
				Time         time.Time `json:"time"`
			}
			Next *string `json:"next_url"`
		}
		path := "/rejections?limit=2"
		for i := 2; i >= 0; i -= 2 {
			got := ask(t, http.MethodGet, url+path)
			checkHeader(t, path, got, "Access-Control-Allow-Origin", "")
			checkHeader(t, path, got, "Cache-Control", "no-store")
			page.Next = nil
			if err := json.Unmarshal(got.body, &page); err != nil {
				t.Fatal(err)
			}
			r := page.Rejections[0]
			if r.Key != fmt.Sprintf("a/<%d>.json", i) || r.ETag != `"tag"` || r.Position != int64(i+1) || r.Reason == "" || time.Since(r.Time) > time.Hour {
				t.Errorf("%s: %s", path, got.body)
			}
			if i == 2 {
				if page.Next == nil || len(page.Rejections) != 2 || *page.Next != fmt.Sprint("/rejections?limit=2&start=", page.Rejections[1].ID) {
					t.Fatalf("%s: %s", path, got.body)
				}
				path = *page.Next
			} else if page.Next != nil || len(page.Rejections) != 1 {
				t.Errorf("%s: %s", path, got.body)
			}
		}
		checkProblem(t, "limit", ask(t, http.MethodGet, url+"/rejections?limit=101"), http.StatusBadRequest)
		got := ask(t, http.MethodOptions, url+"/rejections")
		checkProblem(t, "OPTIONS", got, http.StatusMethodNotAllowed)
		checkHeader(t, "OPTIONS", got, "Allow", "GET, HEAD")
	})
}

// operations serves the admin endpoints.
func operations(o *api.Operations) http.Handler {
	o.Logger = slog.New(logless)
	mux := http.NewServeMux()
	for path, handler := range o.Routes() {
		mux.Handle(path, handler)
	}
	return mux
}
