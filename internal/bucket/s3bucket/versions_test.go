package s3bucket

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jpmovies/internal/bucket"
)

// versionServer answers the three operations of a replay as S3's API reference documents
// them, a page of two versions at a time.
type versionServer struct {
	status   string // of the versioning
	versions []stored
	cut      atomic.Bool // the next GetObject breaks off
	gone     string      // id of a version that has expired
}

// stored is a version of a key, written at a time.
type stored struct{ key, id, etag, time, body string }

// someVersions has the key "a" written twice with the same content, and once with another.
var someVersions = []stored{
	{"a", "3", `"x"`, "2026-01-03T00:00:00.000Z", "same"},
	{"a", "2", `"y"`, "2026-01-02T00:00:00.000Z", "other"},
	{"a", "1", `"x"`, "2026-01-01T00:00:00.000Z", "same"},
	{"b", "null", `"z"`, "2026-01-04T00:00:00.000Z", "before versioning"},
}

func (s *versionServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case query.Has("versioning"):
		_, _ = fmt.Fprintf(w, "<VersioningConfiguration>%s</VersioningConfiguration>", s.status)
	case query.Has("versions"):
		s.list(w, query.Get("version-id-marker"))
	default:
		s.get(w, r, query.Get("versionId"))
	}
}

func (s *versionServer) list(w io.Writer, after string) {
	from := 0
	if after != "" {
		from = 1 + slices.IndexFunc(s.versions, func(v stored) bool { return v.id == after })
	}
	to := min(from+2, len(s.versions))
	_, _ = fmt.Fprintf(w, "<ListVersionsResult><Name>b</Name><IsTruncated>%t</IsTruncated>", to < len(s.versions))
	for _, v := range s.versions[from:to] {
		_, _ = fmt.Fprintf(w, "<Version><Key>%s</Key><VersionId>%s</VersionId><ETag>%s</ETag><Size>%d</Size><LastModified>%s</LastModified></Version>", v.key, v.id, v.etag, len(v.body), v.time)
	}
	last := s.versions[to-1]
	_, _ = fmt.Fprintf(w, "<DeleteMarker><Key>a</Key><VersionId>9</VersionId><LastModified>2026-01-05T00:00:00.000Z</LastModified></DeleteMarker>"+
		"<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker></ListVersionsResult>", last.key, last.id)
}

func (s *versionServer) get(w http.ResponseWriter, r *http.Request, id string) {
	for _, v := range s.versions {
		if v.id != id || s.gone == id {
			continue
		}
		at, _ := time.Parse(time.RFC3339, v.time)
		w.Header().Set("ETag", v.etag)
		w.Header().Set("Last-Modified", at.Format(http.TimeFormat))
		if s.cut.CompareAndSwap(true, false) {
			w.Header().Set("Content-Length", fmt.Sprint(len(v.body)))
			_, _ = io.WriteString(w, v.body[:1])
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", at, strings.NewReader(v.body))
		return
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "<Error><Code>NoSuchVersion</Code></Error>")
}

const enabled = "<Status>Enabled</Status>"

func listed(t *testing.T, v *Versions) (keys []string) {
	t.Helper()
	for page, err := range v.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			keys = append(keys, o.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// TestVersionsBeforeTheEnd: where a listing fails, no version counts as waiting for an older one.
func TestVersionsBeforeTheEnd(t *testing.T) {
	server := &versionServer{status: enabled, versions: someVersions}
	var refused atomic.Bool
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("version-id-marker") != "" && refused.Load() {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		server.ServeHTTP(w, r)
	}))
	v, err := open(t, Options{}).Versions(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	refused.Store(true)
	for _, err = range v.List(t.Context()) {
	}
	if n, example := v.Waiting(); err == nil || n != 0 {
		t.Errorf("%v; %d wait, such as %s", err, n, example)
	}
	refused.Store(false)
	if got := listed(t, v); len(got) != len(someVersions) {
		t.Errorf("listed %q", got)
	}
}

// TestVersions: each version is listed once and read with its own key, ETag and time; what
// is not deleted is listed again.
func TestVersions(t *testing.T) {
	server := &versionServer{status: enabled, versions: someVersions}
	serve(t, server)
	v, err := open(t, Options{}).Versions(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"a?versionId=1", "a?versionId=2", "a?versionId=3", "b?versionId=null"}
	if got := listed(t, v); !slices.Equal(got, all) {
		t.Fatalf("listed %q", got)
	}
	for i, id := range []int{1, 2, 3} {
		server.cut.Store(i == 1)
		o, body, err := v.Get(t.Context(), fmt.Sprint("a?versionId=", id))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(body)
		want := someVersions[3-id]
		if err != nil || string(content) != want.body || o.Key != "a" || o.ETag != want.etag || o.LastModified.Format(time.RFC3339) != "2026-01-0"+fmt.Sprint(id)+"T00:00:00Z" {
			t.Errorf("version %d: %+v %q %v", id, o, content, err)
		}
	}
	if errs := v.Delete(t.Context(), []bucket.Ref{{Key: "a", ETag: `"x"`}}); errs[0] != nil {
		t.Error(errs)
	}
	// Of the same content the newest version stays, whichever was applied first.
	if got := listed(t, v); !slices.Equal(got, all[1:]) {
		t.Errorf("after one delete: %q", got)
	}
	v.Delete(t.Context(), []bucket.Ref{{Key: "a", ETag: `"x"`}, {Key: "a", ETag: `"y"`}, {Key: "unknown", ETag: `"y"`}})
	server.gone = "null"
	if _, _, err := v.Get(t.Context(), "b?versionId=null"); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("a version that has expired: %v", err)
	}
	if got := listed(t, v); len(got) > 0 {
		t.Errorf("in the end: %q", got)
	}
}

func TestVersionsOfATime(t *testing.T) {
	serve(t, &versionServer{status: "<Status>Suspended</Status>", versions: someVersions})
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		since, until time.Time
		want         string
	}{
		{day(2), day(3), "a?versionId=2 a?versionId=3"}, {time.Time{}, day(1), "a?versionId=1"}, {day(4), time.Time{}, "b?versionId=null"}, {day(5), time.Time{}, ""},
	} {
		v, err := open(t, Options{}).Versions(t.Context(), test.since, test.until)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(listed(t, v), " "); got != test.want {
			t.Errorf("%v to %v: %q, expected %q", test.since, test.until, got, test.want)
		}
	}
}

// TestVersionsOfASecond: versions with one key and the same second of LastModified, which is all
// that GET tells, are listed one after the
// other, the oldest first, also those of two pages, and where one has gone.
func TestVersionsOfASecond(t *testing.T) {
	const second, later = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z"
	server := &versionServer{status: enabled, gone: "2", versions: []stored{
		{"a", "5", `"v"`, later, "5"}, {"a", "4", `"w"`, "2026-01-01T00:00:00.900Z", "4"}, {"a", "3", `"x"`, "2026-01-01T00:00:00.1Z", "3"}, {"a", "2", `"y"`, second, "2"}, {"a", "1", `"z"`, second, "1"},
		{"b", "6", `"z"`, second, "6"},
	}}
	serve(t, server)
	v, err := open(t, Options{}).Versions(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a1 a5 b6", "a2", "a3", "a4", ""} {
		keys := listed(t, v)
		for _, key := range keys {
			o, body, err := v.Get(t.Context(), key)
			if errors.Is(err, bucket.ErrNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = body.Close()
			v.Delete(t.Context(), []bucket.Ref{o.Ref})
		}
		if got := strings.ReplaceAll(strings.Join(keys, " "), "?versionId=", ""); got != want {
			t.Errorf("listed %q, want %q", got, want)
		}
	}
}

func TestNotVersioned(t *testing.T) {
	serve(t, &versionServer{})
	if _, err := open(t, Options{}).Versions(t.Context(), time.Time{}, time.Time{}); !errors.Is(err, ErrNotVersioned) {
		t.Error(err)
	}
}

// TestVersionsAfterFailures: a listing goes on where it failed, a response that is none is
// an error, and a listing may have other ETags than the versions.
func TestVersionsAfterFailures(t *testing.T) {
	inner := &versionServer{status: enabled, versions: someVersions}
	answer := ""
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		second := r.URL.Query().Get("version-id-marker") != ""
		switch {
		case !r.URL.Query().Has("versions"):
			inner.ServeHTTP(w, r)
		case second && answer == "denied":
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code></Error>")
		case second && answer != "":
			_, _ = io.WriteString(w, answer)
		default:
			var page strings.Builder
			inner.list(&page, r.URL.Query().Get("version-id-marker"))
			_, _ = io.WriteString(w, strings.NewReplacer(`"x"`, "x", `"y"`, "y-gzip").Replace(page.String()))
		}
	}))
	v, err := open(t, Options{}).Versions(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	list := func() (keys []string, failed error) {
		for page, err := range v.List(t.Context()) {
			failed = err
			for _, o := range page {
				keys = append(keys, o.Key)
			}
		}
		slices.Sort(keys)
		return keys, failed
	}
	for i, answered := range []string{"denied", "<html>maintenance</html>", ""} {
		answer = answered
		keys, err := list()
		want := [][]string{{"a?versionId=3"}, nil, {"a?versionId=1", "a?versionId=2", "b?versionId=null"}}[i] // 2 may have had an older one of its time
		if !slices.Equal(keys, want) || (err != nil) != (answered != "") {
			t.Errorf("listing %d: %q, %v", i, keys, err)
		}
		for _, key := range keys {
			o, body, err := v.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			_ = body.Close()
			if errs := v.Delete(t.Context(), []bucket.Ref{o.Ref}); errs[0] != nil {
				t.Errorf("%q: %v", key, errs)
			}
		}
	}
	if keys, err := list(); len(keys) > 0 || err != nil {
		t.Errorf("in the end: %q, %v", keys, err)
	}
}
