package s3bucket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

const objectHeaders = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nLast-Modified: Sun, 01 Nov 2026 10:00:00 GMT\r\n"

// rawHandler answers every request with these bytes and closes the connection.
func rawHandler(answer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(connection, answer)
		_ = connection.Close()
	})
}

// TestAnswersWithoutLength: Get accepts a response without Content-Length only if something
// else marks its end.
func TestAnswersWithoutLength(t *testing.T) {
	for _, test := range []struct {
		name, key, answer string
		want              string
		opens, whole      bool
		ignored           bool
	}{
		{"chunked", "k", objectHeaders + "Transfer-Encoding: chunked\r\n\r\n4\r\nmovi\r\n2\r\nes\r\n0\r\n\r\n", "movies", true, true, false},
		{"chunked and cut", "k", objectHeaders + "Transfer-Encoding: chunked\r\n\r\n4\r\nmovi\r\n", "movi", true, false, false},
		{"ends with the connection", "k", objectHeaders + "Connection: close\r\n\r\nmovies", "", false, false, false},
		{"folder marker", "k/", objectHeaders + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", true, true, true},
		{"object with a marker's name", "k/", objectHeaders + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}", true, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			serve(t, rawHandler(test.answer))
			o, content, err := open(t, Options{}).Get(t.Context(), test.key)
			if (err == nil) != test.opens {
				t.Fatalf("get: %v", err)
			}
			if err != nil {
				return
			}
			got, err := io.ReadAll(content)
			if string(got) != test.want || (err == nil) != test.whole {
				t.Errorf("%q, %v", got, err)
			}
			if bucket.Ignored(o) != test.ignored {
				t.Errorf("%+v is ignored: %v", o, bucket.Ignored(o))
			}
			_ = content.Close()
		})
	}
}

// weakeningProxy marks every ETag as weak.
func weakeningProxy(server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		if etag := answer.Header().Get("ETag"); etag != "" {
			w.Header().Set("ETag", "W/"+etag)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// TestWeakETags: deletes send the ETag without the mark of a weak one.
func TestWeakETags(t *testing.T) {
	for _, test := range ways[:3] {
		server := test.server
		server.Memory = &buckettest.Memory{}
		serve(t, weakeningProxy(&server))
		b := openProbed(t, "", test.way)
		server.Memory.Put("same", []byte("same"))
		server.Memory.Put("other", []byte("first"))
		var refs []bucket.Ref
		for _, key := range []string{"same", "other"} {
			o, content, err := b.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			_ = content.Close()
			refs = append(refs, o.Ref)
		}
		server.Memory.Put("other", []byte("second"))
		errs := b.Delete(t.Context(), refs)
		if errs[0] != nil || !errors.Is(errs[1], bucket.ErrChanged) || !slices.Equal(server.Memory.Keys(), []string{"other"}) {
			t.Errorf("%s: %v, left %q", test.way, errs, server.Memory.Keys())
		}
	}
}

// TestAcceptEncodingIsNotSigned: a proxy may rewrite the header.
func TestAcceptEncodingIsNotSigned(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	seen := make(map[string]bool)
	server.Refuse = func(operation, _ string) string { seen[operation] = true; return "" }
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, signed, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
		if signed, _, _ = strings.Cut(signed, ","); signed == "" || strings.Contains(signed, "accept-encoding") {
			t.Errorf("%s %s: signed are %q", r.Method, r.URL, signed)
		}
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("%s %s: Accept-Encoding is %q", r.Method, r.URL, got)
		}
		server.ServeHTTP(w, r)
	}))
	b := open(t, Options{Concurrency: 1})
	ref := server.Memory.Put("k", nil).Ref
	_, content, err := b.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	_ = content.Close()
	b.deleteBy(t.Context(), WayCompare, []bucket.Ref{ref})
	b.deleteBy(t.Context(), WayBatch, []bucket.Ref{ref})
	if err := errors.Join(b.Put(t.Context(), "k", nil), b.sweep(t.Context())); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 6 {
		t.Errorf("operations seen: %v", seen)
	}
}

// cuttingProxy cuts a GET response in its middle if cuts returns true.
func cuttingProxy(server http.Handler, cuts func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		content := answer.Body.Bytes()
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.WriteHeader(answer.Code)
		if r.Method == http.MethodGet && cuts() {
			_, _ = w.Write(content[:len(content)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(content)
	})
}

// TestCutAnswers: a cut response is requested again, and no byte is returned twice.
func TestCutAnswers(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	var asked atomic.Int32
	serve(t, cuttingProxy(server, func() bool { return asked.Add(1)%4 != 0 }))
	content := strings.Repeat("0123456789", 5000)
	server.Memory.Put("100%.json", []byte(content))
	b := open(t, Options{})
	for page, err := range b.List(t.Context()) {
		if err != nil || len(page) != 1 || page[0].Key != "100%.json" {
			t.Fatalf("listed %v, %v", page, err)
		}
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("%d requests for a listing, want 4", n)
	}
	_, reader, err := b.Get(t.Context(), "100%.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(reader)
	if err != nil || string(got) != content {
		t.Errorf("%d bytes of %d, %v", len(got), len(content), err)
	}
	_ = reader.Close()
}

// TestCutAnswerOfAnotherGeneration: the read fails if the object was overwritten in between.
func TestCutAnswerOfAnotherGeneration(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	serve(t, cuttingProxy(server, func() bool {
		server.Memory.Put("k", []byte("another generation"))
		return true
	}))
	server.Memory.Put("k", []byte("the generation read first"))
	_, reader, err := open(t, Options{}).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("%q, %v", got, err)
	}
	_ = reader.Close()
}

// TestResumeOfShorter: an object that was overwritten by a shorter one while it was read has changed.
func TestResumeOfShorter(t *testing.T) {
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			_, _ = io.WriteString(w, "<Error><Code>InvalidRange</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, strings.Repeat("x", 600))
	}))
	_, reader, err := open(t, Options{}).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(reader); !errors.Is(err, bucket.ErrChanged) {
		t.Errorf("it ends with %v", err)
	}
	_ = reader.Close()
}

// TestResumeByRange: a server that supports ranges sends only the rest, after a cut and after a
// silence.
func TestResumeByRange(t *testing.T) {
	for _, silent := range []bool{false, true} {
		testResumeByRange(t, silent)
	}
}

func testResumeByRange(t *testing.T, silent bool) {
	t.Helper()
	content := strings.Repeat("0123456789", 100)
	var ranges []string
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		asked := r.Header.Get("Range")
		ranges = append(ranges, asked)
		if asked != "" {
			http.ServeContent(w, r, "", time.Now(), strings.NewReader(content))
			return
		}
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = io.WriteString(w, content[:600])
		if silent {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	o := Options{}
	if silent {
		o.limits.stall = time.Second
	}
	_, reader, err := open(t, o).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(bufio.NewReader(reader))
	if err != nil || string(got) != content || fmt.Sprint(ranges) != "[ bytes=600-]" {
		t.Errorf("%d bytes, %v, ranges %q", len(got), err, ranges)
	}
	_ = reader.Close()
}

// TestNotOfS3: what cannot be an answer of S3 is an error.
func TestNotOfS3(t *testing.T) {
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut { // such as the page of a sign-in
			return
		}
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Range", "bytes 0-9/"+path.Base(r.URL.Path))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "0123456789")
	}))
	b := open(t, Options{})
	if err := b.Put(t.Context(), "k", nil); err == nil || !strings.Contains(err.Error(), "ETag") {
		t.Errorf("put: %v", err)
	}
	if _, _, err := b.Get(t.Context(), "1000"); err == nil || !strings.Contains(err.Error(), "0-9/1000") {
		t.Errorf("get: %v", err)
	}
	if _, body, err := b.Get(t.Context(), "10"); err != nil { // all of it
		t.Error(err)
	} else {
		_ = body.Close()
	}
}
