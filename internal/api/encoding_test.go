package api_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"jpmovies/internal/api"
)

func TestEncoding(t *testing.T) {
	s := stock(t)
	for id := range int64(30) {
		s.put(100+id, &samples[0])
	}
	a, _ := startWith(t, api.Options{Catalogue: s, Staleness: staleness, CacheBytes: 1 << 20})
	for _, test := range []struct{ accept, page, movie string }{
		{"-", "", ""}, // no header
		{"", "", ""},
		{"gzip", "gzip", ""},
		{"GZIP", "gzip", ""},
		{"x-gzip", "gzip", ""},
		{"zstd", "zstd", ""},
		{"gzip, zstd", "zstd", ""},
		{"gzip, deflate, br, zstd", "zstd", ""},
		{"gzip;q=1, zstd;q=0.9", "gzip", ""},
		{"gzip;q=0.5, zstd;q=0.9", "zstd", ""},
		{"gzip ; Q=0.5 , zstd ; q=0.4", "gzip", ""},
		{"gzip;q=0", "", ""},
		{"gzip;q=0, *", "zstd", ""},
		{"zstd;q=0, *;q=0.1", "gzip", ""},
		{"*", "zstd", ""},
		{"*;q=0", "", ""}, // no encoding is acceptable; the API sends the plain body all the same
		{"br", "", ""},
		{"identity", "", ""},
		{"identity, gzip;q=0.5", "", ""},
		{"identity;q=0.5, gzip", "gzip", ""},
		{"identity;q=0, gzip", "gzip", "gzip"},
		{"identity;q=0, *", "zstd", "zstd"},
		{"identity;q=0", "", ""},
		{"gzip, *;q=0", "gzip", "gzip"},
		{"gzip;q=nan, zstd;q=inf", "", ""},
		{"gzip;q=", "", ""},
		{"gzip;q=2", "", ""},
		{"gzip;x=1;q=0", "", ""},
		{",,;,gzip", "gzip", ""},
	} {
		for path, want := range map[string]string{"/movies": test.page, "/changes": test.page, "/movies/1": test.movie, "/export": test.page} {
			var headers []string
			if test.accept != "-" {
				headers = []string{"Accept-Encoding", test.accept}
			}
			plain, got := record(t, a, http.MethodGet, path), record(t, a, http.MethodGet, path, headers...)
			name := path + " with " + test.accept
			checkHeader(t, name, got, "Content-Encoding", want)
			if body := decode(t, want, got.body); !bytes.Equal(body, plain.body) {
				t.Errorf("%s: the body is another: %.200q", name, body)
			}
			if tag := plain.header.Get("ETag"); got.header.Get("ETag") != tag {
				t.Errorf("%s: ETag %q, want %q as without", name, got.header.Get("ETag"), tag)
			}
			if !slices.ContainsFunc(got.header.Values("Vary"), func(v string) bool { return v == "Accept-Encoding" || v == "Accept, Accept-Encoding" }) {
				t.Errorf("%s: Vary is %q", name, got.header.Values("Vary"))
			}
			head := record(t, a, http.MethodHead, path, headers...)
			if h := head.header.Get("Content-Encoding"); head.status != got.status || h != want {
				t.Errorf("%s: HEAD says %d %q", name, head.status, h)
			}
		}
	}
}

func decode(t *testing.T, encoding string, body []byte) []byte {
	t.Helper()
	var from io.Reader = bytes.NewReader(body)
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		from = r
	case "zstd":
		r, err := zstd.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		from = r
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestIfNoneMatch(t *testing.T) {
	a := start(t, stock(t), logless)
	for _, path := range []string{"/", "/movies", "/movies/1", "/genres", "/years", "/openapi.json"} {
		tag := record(t, a, http.MethodGet, path).header.Get("ETag")
		strong := tag[2:]
		for value, same := range map[string]bool{
			tag: true, strong: true, `"x", ` + tag: true, `"x",` + strong + `,W/"y"`: true, "*": true, " " + tag + " ": true,
			`"x"`: false, `W/"x"`: false, "": false, "W/": false, tag[:len(tag)-1]: false, strong[1 : len(strong)-1]: false, `"*"`: false,
		} {
			got := record(t, a, http.MethodGet, path, "If-None-Match", value)
			if (got.status == http.StatusNotModified) != same || got.header.Get("ETag") != tag || (len(got.body) == 0) != same {
				t.Errorf("%s, If-None-Match %s: %d, ETag %s, %d bytes", path, value, got.status, got.header.Get("ETag"), len(got.body))
			}
		}
		if got := record(t, a, http.MethodGet, path, "If-None-Match", `"x"`, "If-None-Match", tag); got.status != http.StatusNotModified {
			t.Errorf("%s, two headers: %d", path, got.status)
		}
	}
	for _, path := range []string{"/status", "/changes", "/export"} {
		got := record(t, a, http.MethodGet, path, "If-None-Match", "*")
		if got.status != http.StatusOK || got.header.Get("ETag") != "" {
			t.Errorf("%s: %d, ETag %s", path, got.status, got.header.Get("ETag"))
		}
		checkHeader(t, path, got, "Cache-Control", "no-store")
	}
	// A bad request fails even with If-None-Match: *.
	checkProblem(t, "/movies?limit=0", record(t, a, http.MethodGet, "/movies?limit=0", "If-None-Match", "*"), http.StatusBadRequest)
}
