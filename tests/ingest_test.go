package tests

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
	"jpmovies/internal/bucket/dirbucket"
	"jpmovies/internal/bucket/s3bucket"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/worker"
)

// links returns the rows of a link table, as title and name.
func links(t *testing.T, raw *sql.DB, table string) []string {
	t.Helper()
	return texts(t, raw, "SELECT CONCAT_WS(': ', m.title, l.name) FROM "+table+" l JOIN movie m ON m.id = l.movie_id")
}

// TestPartialUpdates follows one movie through partial updates, of which one arrives late.
func TestPartialUpdates(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		dir := newFolder(t)
		s := newSite(t, o, dir)
		api := s.serve(t)
		raw := databasetest.Raw(t, o)
		base := time.Now().Add(-time.Hour).Truncate(time.Second)
		for i, step := range []struct {
			object       string
			at           time.Duration // the object's time, after base
			cast, genres []string
		}{
			{`{"title": "T", "year": 2000, "cast": ["A", "B"], "genres": []}`, 0, []string{"A", "B"}, []string{}},
			{`{"title": "T", "year": 2000, "genres": ["G"]}`, 20 * time.Second, []string{"A", "B"}, []string{"G"}},
			{`{"title": "T", "year": 2000, "cast": ["B", "C"]}`, 30 * time.Second, []string{"B", "C"}, []string{"G"}},
			{`{"title": "T", "year": 2000, "cast": ["late"], "genres": ["late"]}`, 10 * time.Second, []string{"B", "C"}, []string{"G"}},
		} {
			key := fmt.Sprintf("%d.json", i)
			s.put(t, key, []byte(step.object))
			at := base.Add(step.at)
			if err := os.Chtimes(filepath.Join(dir.(folder).dir, key), at, at); err != nil {
				t.Fatal(err)
			}
			s.drain(t)
			s.waitSeen(t, api)
			got := walk(t, api, "/movies")
			want := []film{{ID: 1, Title: "T", Year: 2000, Cast: step.cast, Genres: step.genres}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("step %d: %s", i, diff)
			}
			var cast, genres []string
			for _, name := range step.cast {
				cast = append(cast, "T: "+name)
			}
			for _, name := range step.genres {
				genres = append(genres, "T: "+name)
			}
			if got := links(t, raw, "movie_cast"); !slices.Equal(got, cast) {
				t.Errorf("step %d: cast links are %q", i, got)
			}
			if got := links(t, raw, "movie_genre"); !slices.Equal(got, genres) {
				t.Errorf("step %d: genre links are %q", i, got)
			}
		}
	})
}

// invalid lists objects with one invalid update, a valid neighbour where the format allows
// one, and a word of the reason.
var invalid = map[string]struct {
	object string
	reason string
}{
	"not-json":        {good + "title: T\n", "JSON"},
	"year-string":     {good + `{"title": "T", "year": "2015"}`, `"2015"`},
	"year-fraction":   {good + `{"title": "T", "year": 2015.5}`, "2015.5"},
	"year-point":      {good + `{"title": "T", "year": 2015.0}`, "2015.0"},
	"year-exponent":   {good + `{"title": "T", "year": 2e3}`, "2e3"},
	"year-object":     {good + `{"title": "T", "year": {}}`, "object"},
	"year-missing":    {good + `{"title": "T"}`, "year"},
	"year-0":          {good + `{"title": "T", "year": 0}`, "9999"},
	"year-10000":      {good + `{"title": "T", "year": 10000}`, "9999"},
	"title-missing":   {good + `{"year": 2000}`, "title"},
	"title-blank":     {good + `{"title": " \u00a0", "year": 2000}`, "title"},
	"title-number":    {good + `{"title": 7, "year": 2000}`, "title"},
	"title-long":      {good + `{"title": "` + strings.Repeat("x", 1025) + `", "year": 2000}`, "1024"},
	"title-nul":       {good + `{"title": "a\u0000b", "year": 2000}`, "NUL"},
	"name-long":       {good + `{"title": "T", "year": 2000, "cast": ["` + strings.Repeat("x", 513) + `"]}`, "512"},
	"cast-many":       {good + `{"title": "T", "year": 2000, "cast": [` + strings.Repeat(`"a",`, 5000) + `"a"]}`, "5000"},
	"genres-many":     {good + `{"title": "T", "year": 2000, "genres": [` + strings.Repeat(`"a",`, 200) + `"a"]}`, "200"},
	"cast-string":     {good + `{"title": "T", "year": 2000, "cast": "A"}`, "cast"},
	"deleted-number":  {good + `{"title": "T", "year": 2000, "deleted": 1}`, "deleted"},
	"update-large":    {good + `{"title": "T", "year": 2000, "x": "` + strings.Repeat("x", 1<<20) + `"}`, "1048576"},
	"key-twice":       {good + `{"title": "T", "title": "U", "year": 2000}`, "twice"},
	"invalid-utf8":    {good + "{\"title\": \"T\xff\", \"year\": 2000}", "UTF-8"},
	"lone-surrogate":  {good + `{"title": "T\ud800", "year": 2000}`, "surrogate"},
	"nesting":         {good + `{"title": "T", "year": 2000, "x": ` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, "100"},
	"no-object":       {good + `"T"`, "object"},
	"gzip-truncated":  {gzipped(strings.Repeat(good, 100))[:60], "gzip"},
	"zstd-corrupt":    {"\x28\xb5\x2f\xfdnonsense", "zstd"},
	"empty":           {"", "white space"},
	"white-space":     {" \n\t ", "white space"},
	"array-cut-short": {"[" + strings.TrimSpace(good) + ",", "array"},
}

const good = `{"title": "Good", "year": 2000}` + "\n"

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

// TestInvalidInput: the worker removes each invalid object from the bucket, records it once
// with a reason, and applies its valid neighbour. The check command reports the same.
func TestInvalidInput(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		s := newSite(t, o, newFolder(t))
		for name, input := range invalid {
			body := []byte(strings.ReplaceAll(input.object, "Good", name))
			if strings.HasPrefix(input.object, "\x1f\x8b") {
				body = []byte(input.object)
			}
			s.put(t, name, body)
		}
		checked := make(map[string]string)
		for name := range invalid {
			check := exec.Command(binary, "check", filepath.Join(s.inbox.(folder).dir, name))
			out, _ := check.Output()
			if check.ProcessState.ExitCode() != 1 {
				t.Errorf("check %s: exit %d", name, check.ProcessState.ExitCode())
			}
			for line := range strings.SplitSeq(string(out), "\n") {
				if _, reason, found := strings.Cut(line, ": rejected: "); found {
					checked[name] += reason
				}
			}
		}
		s.drain(t)
		recorded := make(map[string]string)
		for _, row := range texts(t, databasetest.Raw(t, o), "SELECT CONCAT_WS('|', object_key, reason) FROM rejection") {
			key, reason, _ := strings.Cut(row, "|")
			recorded[key] += reason
		}
		if diff := cmp.Diff(checked, recorded); diff != "" {
			t.Errorf("check and worker differ (-check +worker):\n%s", diff)
		}
		for name, input := range invalid {
			if !strings.Contains(recorded[name], input.reason) {
				t.Errorf("%s: reason is %q, want something with %q", name, recorded[name], input.reason)
			}
		}
		titles := make(map[string]bool)
		for _, m := range walk(t, s.serve(t), "/movies?limit=100") {
			titles[m.Title] = true
		}
		for name, input := range invalid {
			if strings.Contains(input.object, "Good") && !titles[name] {
				t.Errorf("%s: the valid neighbour was not applied", name)
			}
		}
	})
}

// overwriter is a store that overwrites one object, once, after the worker has read it.
type overwriter struct {
	bucket.Store
	overwrite func()
}

func (o *overwriter) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	object, body, err := o.Store.Get(ctx, key)
	if err != nil || o.overwrite == nil {
		return object, body, err
	}
	content, err := io.ReadAll(body)
	if closed := body.Close(); err == nil {
		err = closed
	}
	o.overwrite()
	o.overwrite = nil
	return object, io.NopCloser(bytes.NewReader(content)), err
}

// TestOverwrittenBetweenGetAndDelete: on every kind of bucket, neither update is lost.
func TestOverwrittenBetweenGetAndDelete(t *testing.T) {
	s3 := func(t *testing.T, endpoint, name string) bucket.Store {
		t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
		b, err := s3bucket.Open(t.Context(), s3bucket.Options{Name: name, PathStyle: true, Concurrency: 4, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("objects are deleted by the way %q", b.Way())
		return b
	}
	for name, open := range map[string]func(t *testing.T) (bucket.Store, func(body string)){
		"versitygw": func(t *testing.T) (bucket.Store, func(string)) {
			b := newS3Bucket(t).(s3Bucket)
			return s3(t, os.Getenv(s3Variable), b.name), func(body string) { b.put(t, "key", []byte(body)) }
		},
		"aws-fake-batch": func(t *testing.T) (bucket.Store, func(string)) {
			t.Setenv("AWS_ACCESS_KEY_ID", "fake")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "fake")
			fake := &buckettest.Server{Memory: &buckettest.Memory{}}
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			return s3(t, server.URL, "fake"), func(body string) { fake.Memory.Put("key", []byte(body)) }
		},
		"folder": func(t *testing.T) (bucket.Store, func(string)) {
			f := newFolder(t).(folder)
			b, err := dirbucket.Open(f.dir, dirbucket.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return b, func(body string) { f.put(t, "key", []byte(body)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, put := open(t)
			db := cataloguetest.Open(t, databasetest.SQLite(t))
			put(`{"title": "first", "year": 2000}`)
			w := worker.New(worker.Options{
				Store:     &overwriter{store, func() { put(`{"title": "second", "year": 2000}`) }},
				Catalogue: db, Prepare: func(context.Context) error { return nil }, Concurrency: 4, Batch: 10, IdleMin: time.Millisecond, IdleMax: time.Second,
				ShutdownTimeout: time.Second, KeepRejections: time.Hour, KeepChanges: time.Hour,
				Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
			})
			if err := w.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			for id, title := range map[int64]string{1: "first", 2: "second"} {
				if m, err := db.Movie(t.Context(), id); err != nil || !strings.Contains(string(m.Fields), title) {
					t.Errorf("movie %d is %s (%v), want %s", id, m.Fields, err, title)
				}
			}
		})
	}
}
