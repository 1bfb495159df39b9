package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/api"
	"jpmovies/internal/audit"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
	"jpmovies/internal/report"
)

// moments matches the times in a history.
var moments = regexp.MustCompile(`"time": "([^"]*)"`)

func TestHistory(t *testing.T) {
	requests := []struct{ path, body string }{
		{"/movies/1/history", `{"history": [
{"revision": 1, "time": "T", "changed": ["created"]}
],
"next_url": null}
`},
		{"/movies/3/history", `{"history": [
{"revision": 6, "time": "T", "changed": ["deleted"]},
{"revision": 3, "time": "T", "changed": ["created"]}
],
"next_url": null}
`},
		{"/movies/3/history?limit=1", `{"history": [
{"revision": 6, "time": "T", "changed": ["deleted"]}
],
"next_url": "/movies/3/history?limit=1&start=6"}
`},
		{"/movies/3/history?limit=1&start=6", `{"history": [
{"revision": 3, "time": "T", "changed": ["created"]}
],
"next_url": null}
`},
		{"/movies/3/history?start=1", `{"history": [],
"next_url": null}
`},
	}
	eachCatalogue(t, func(t *testing.T, base string) {
		for _, r := range requests {
			got := ask(t, http.MethodGet, base+r.path)
			for _, m := range moments.FindAllStringSubmatch(string(got.body), -1) {
				if _, err := time.Parse(time.RFC3339Nano, m[1]); err != nil {
					t.Errorf("%s: %v", r.path, err)
				}
			}
			shown := moments.ReplaceAllString(string(got.body), `"time": "T"`)
			if diff := cmp.Diff(r.body, shown); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", r.path, got.status, diff)
			}
			checkFresh(t, r.path, got)
			checkAnswer(t, base, r.path, got)
		}
		for _, path := range []string{"/movies/9/history", "/movies/0/history", "/movies/x/history"} {
			checkProblem(t, path, ask(t, http.MethodGet, base+path), http.StatusNotFound)
		}
		for _, path := range []string{"/movies/1/history?limit=0", "/movies/1/history?start=0", "/movies/1/history?since=1"} {
			checkProblem(t, path, ask(t, http.MethodGet, base+path), http.StatusBadRequest)
		}
	})
}

// TestObjects: the admin port, and only it, traces objects.
func TestObjects(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db := cataloguetest.Open(t, o)
		looked := map[string]*report.Waiting{"waits.json": {Size: 17, ObjectETag: `"new"`}}
		server := httptest.NewServer(operations(&api.Operations{Records: db, Tracer: audit.New(databasetest.Open(t, o)), Waiting: func(ctx context.Context, key string) (*report.Waiting, error) {
			switch key {
			case "silent.json":
				<-ctx.Done()
				return nil, ctx.Err()
			case "away.json":
				return nil, errors.New("the bucket is away")
			}
			return looked[key], nil
		}}))
		defer server.Close()
		const key = " e\u0301 /a.json" // must be neither trimmed nor normalised
		_, err := db.Apply(t.Context(), movie.Batch{
			Objects:    []movie.Object{{Key: key, ETag: `"tag"`, Time: movie.Time{Sec: 1}}},
			Updates:    []movie.Update{{Identity: movie.Identity{Title: "One", Year: 2000}, Stamp: movie.Stamp{Time: movie.Time{Sec: 1}, Key: key, Position: 1}}},
			Rejections: []movie.Rejection{{Key: key, ObjectETag: `"tag"`, Position: 2, Reason: "title: missing"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			"/objects?key=" + url.QueryEscape(key): `{"key":" e` + "\u0301" + ` /a.json","states":["applied","rejected"],"applied":[{"time":"T","object_etag":"\"tag\"",` +
				`"object_time":"1970-01-01T00:00:01Z","first_position":1,"last_position":2,"updates":1,"changes":1,"rejections":1,` +
				`"movies":[{"id":1,"revision":1,"superseded_by":null}]}],` +
				`"rejections":[{"id":1,"key":" e` + "\u0301" + ` /a.json","object_etag":"\"tag\"","position":2,"reason":"title: missing","time":"T"}],"bucket_searched":true}`,
			"/objects?key=a.json":      `{"key":"a.json","states":["unknown"],"applied":[],"rejections":[],"bucket_searched":true}`,
			"/objects?key=waits.json":  `{"key":"waits.json","states":["waiting"],"waiting":{"settling":false,"object_etag":"\"new\"","size":17},"applied":[],"rejections":[],"bucket_searched":true}`,
			"/objects?key=away.json":   `{"key":"away.json","states":["unknown"],"bucket_error":"the bucket is away","applied":[],"rejections":[],"bucket_searched":false}`,
			"/objects?key=silent.json": `{"key":"silent.json","states":["unknown"],"bucket_error":"context deadline exceeded","applied":[],"rejections":[],"bucket_searched":false}`,
		} {
			got := ask(t, http.MethodGet, server.URL+path)
			shown := regexp.MustCompile(`"time":"[^"]*"`).ReplaceAllString(string(got.body), `"time":"T"`)
			if diff := cmp.Diff(want+"\n", shown); got.status != http.StatusOK || diff != "" {
				t.Errorf("%s: %d, want -, got +: %s", path, got.status, diff)
			}
			checkHeader(t, path, got, "Access-Control-Allow-Origin", "")
			checkHeader(t, path, got, "Cache-Control", "no-store")
			if !json.Valid(got.body) {
				t.Errorf("%s: no JSON", path)
			}
		}
		for _, path := range []string{"/objects", "/objects?key=", "/objects?key=a&key=b", "/objects?name=a", "/objects?key=" + url.QueryEscape(string(make([]byte, 1025)))} {
			checkProblem(t, path, ask(t, http.MethodGet, server.URL+path), http.StatusBadRequest)
		}
	})
}
