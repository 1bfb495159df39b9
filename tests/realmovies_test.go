package tests

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// dataVariable names a folder with movies-2010s.json: 2,512 real movies.
const dataVariable = "MOVIES_TEST_DATA"

func realMovies(t *testing.T) []json.RawMessage {
	t.Helper()
	dir := os.Getenv(dataVariable)
	if dir == "" {
		t.Skipf("no real movies: %s is not set", dataVariable)
	}
	content, err := os.ReadFile(dir + "/movies-2010s.json")
	if err != nil {
		t.Fatal(err)
	}
	var movies []json.RawMessage
	if err := json.Unmarshal(content, &movies); err != nil {
		t.Fatal(err)
	}
	return movies
}

// forms are the ways in which producers may write the same movies.
var forms = []struct {
	name string
	put  func(t *testing.T, to inbox, movies []json.RawMessage)
}{
	{"objects", func(t *testing.T, to inbox, movies []json.RawMessage) {
		objects := make(map[string][]byte)
		for i, m := range movies {
			objects[fmt.Sprintf("movie-%04d.json", i)] = m
		}
		putAll(t, to, objects)
	}},
	{"array", func(t *testing.T, to inbox, movies []json.RawMessage) { to.put(t, "all.json", array(movies)) }},
	{"ndjson", func(t *testing.T, to inbox, movies []json.RawMessage) { to.put(t, "all.ndjson", ndjson(t, movies)) }},
	{"gzip", func(t *testing.T, to inbox, movies []json.RawMessage) {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(ndjson(t, movies))
		_ = w.Close()
		to.put(t, "all.ndjson.gz", out.Bytes())
	}},
	{"zstd", func(t *testing.T, to inbox, movies []json.RawMessage) {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		to.put(t, "all", w.EncodeAll(array(movies), nil))
	}},
}

func array(movies []json.RawMessage) []byte {
	return append(append([]byte{'['}, bytes.Join(raw(movies), []byte(",\n"))...), ']')
}

func ndjson(t *testing.T, movies []json.RawMessage) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, m := range movies {
		if err := json.Compact(&out, m); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func raw(movies []json.RawMessage) [][]byte {
	all := make([][]byte, len(movies))
	for i, m := range movies {
		all[i] = m
	}
	return all
}

// TestRealMovies runs 2,512 real movies through worker and API: in every form, from both kinds
// of bucket, into every database, twice.
func TestRealMovies(t *testing.T) {
	movies := realMovies(t)
	for _, bucket := range []struct {
		name string
		make func(*testing.T) inbox
	}{{"s3", newS3Bucket}, {"folder", newFolder}} {
		for _, form := range forms {
			t.Run(bucket.name+"/"+form.name, func(t *testing.T) {
				databasetest.Each(t, func(t *testing.T, o database.Options) {
					s := newSite(t, o, bucket.make(t))
					form.put(t, s.inbox, movies)
					for line := range strings.SplitSeq(s.drain(t).errors(), "\n") {
						if line != "" && !strings.Contains(line, "may undo commits") { // servers of tests are faster than safe
							t.Errorf("a worker complains although all is well: %s", line)
						}
					}
					checkRealMovies(t, s)
					before, err := s.db.Revision(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					form.put(t, s.inbox, movies)
					s.drain(t)
					if after, err := s.db.Revision(t.Context()); after != before || err != nil {
						t.Errorf("the same objects again: revision %d becomes %d (%v)", before, after, err)
					}
				})
			})
		}
	}
}

func checkRealMovies(t *testing.T, s *site) {
	t.Helper()
	api := s.serve(t)
	for _, want := range []struct {
		query url.Values
		count int
	}{
		{url.Values{"genre": {"Drama"}, "limit": {"100"}}, 799},
		{url.Values{"cast": {"Samuel L. Jackson"}}, 32},
		{url.Values{"genre": {"Drama"}, "year": {"2015"}}, 85},
	} {
		if found := walk(t, api, "/movies?"+want.query.Encode()); len(found) != want.count {
			t.Errorf("%s: %d movies, want %d", want.query.Encode(), len(found), want.count)
		}
	}
}
