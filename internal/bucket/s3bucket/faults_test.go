package s3bucket

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

func TestBulkAnswers(t *testing.T) {
	tests := []struct {
		answer string
		want   error // of package bucket; nil: another error
		fine   bool
	}{
		{"<Deleted><Key>k</Key></Deleted>", nil, true},
		{"", nil, false},
		{"<Deleted><Key>other</Key></Deleted>", nil, false},
		{"<Error><Key>k</Key><Code>PreconditionFailed</Code></Error>", bucket.ErrChanged, false},
		{"<Error><Key>k</Key><Code>412 Precondition Failed</Code></Error>", bucket.ErrChanged, false},
		{"<Error><Key>k</Key><Code>NoSuchKey</Code></Error>", bucket.ErrNotFound, false},
		{"<Error><Key>k</Key><Code>AccessDenied</Code></Error>", nil, false},
		{"<Error><Key>k</Key><Code>InternalError</Code></Error>", nil, false},
		{"<Error><Key>k</Key><Code>AccessDenied</Code></Error><Deleted><Key>k</Key></Deleted>", nil, false},
	}
	for _, test := range tests {
		serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "<DeleteResult>%s</DeleteResult>", test.answer)
		}))
		b := open(t, Options{})
		err := b.deleteBy(t.Context(), WayBatch, []bucket.Ref{{Key: "k", ETag: `"e"`}})[0]
		known := errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound)
		if (err == nil) != test.fine || known != (test.want != nil) || !errors.Is(err, test.want) && test.want != nil {
			t.Errorf("%s: %v", test.answer, err)
		}
	}
}

// TestBulkAnswerBusy: transient errors of single keys are retried, without the other keys.
func TestBulkAnswerBusy(t *testing.T) {
	var asked atomic.Int32
	server := &buckettest.Server{Memory: &buckettest.Memory{}, RefuseKey: func(key string) string {
		if key == "b" && asked.Add(1) < 3 {
			return "SlowDown"
		}
		return ""
	}}
	serve(t, server)
	refs := []bucket.Ref{server.Memory.Put("a", nil).Ref, server.Memory.Put("b", nil).Ref}
	for i, err := range open(t, Options{}).deleteBy(t.Context(), WayBatch, refs) {
		if err != nil {
			t.Errorf("%s: %v", refs[i].Key, err)
		}
	}
	if n := server.Memory.Counts().Deletes; n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

// TestSlowDownBurst: a long burst of SlowDown does not exhaust the retries.
func TestSlowDownBurst(t *testing.T) {
	var asked atomic.Int32
	server := &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: func(string, string) string {
		if asked.Add(1)%4 != 0 {
			return "SlowDown"
		}
		return ""
	}}
	serve(t, server)
	server.Memory.Put("key", nil)
	b := open(t, Options{})
	for range 200 {
		_, body, err := b.Get(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
	}
}

func TestErrorsOfOneKey(t *testing.T) {
	tests := []struct {
		code string
		want error
	}{
		{"PreconditionFailed", bucket.ErrChanged},
		{"NoSuchKey", bucket.ErrNotFound},
		{"NoSuchBucket", nil},
		{"AccessDenied", nil},
		{"ConditionalRequestConflict", nil},
	}
	for _, test := range tests {
		serve(t, &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: func(string, string) string { return test.code }})
		b := open(t, Options{})
		_, _, getErr := b.Get(t.Context(), "key")
		deleteErr := b.deleteBy(t.Context(), WaySingle, []bucket.Ref{{Key: "key", ETag: `"e"`}})[0]
		errs := []error{getErr, deleteErr}
		if errors.Is(test.want, bucket.ErrChanged) { // a read has no condition
			if errs = errs[1:]; !errors.Is(getErr, bucket.ErrDenied) {
				t.Errorf("%s of a read: %v", test.code, getErr)
			}
		}
		for _, err := range errs {
			known := errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound)
			if err == nil || known != (test.want != nil) || known && !errors.Is(err, test.want) {
				t.Errorf("%s: %v", test.code, err)
			}
		}
	}
}

// TestRetriesEnd: a request older than the limit is not retried.
func TestRetriesEnd(t *testing.T) {
	var asked atomic.Int32
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	for limit, want := range map[time.Duration]int32{time.Nanosecond: 1, time.Hour: maxAttempts} {
		asked.Store(0)
		if _, _, err := open(t, Options{limits: limits{retry: limit}}).Get(t.Context(), "key"); err == nil || asked.Load() != want {
			t.Errorf("limit %v: %d attempts, error %v", limit, asked.Load(), err)
		}
	}
}

// TestDenied: ErrDenied means this object, not a transient error, the credentials or the bucket.
func TestDenied(t *testing.T) {
	for code, want := range map[string]bool{
		"AccessDenied": true, "InvalidObjectState": true, "KMS.DisabledException": true, "KeyTooLongError": true,
		"NoSuchBucket": false, "InvalidAccessKeyId": false, "ExpiredToken": false, "SlowDown": false, "InternalError": false,
		"ConditionalRequestConflict": false, "NoSuchKey": false,
	} {
		serve(t, &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: func(string, string) string { return code }})
		_, _, err := open(t, Options{}).Get(t.Context(), "key")
		if errors.Is(err, bucket.ErrDenied) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// TestCompareWithoutCondition: WayCompare deletes without If-Match if the server rejects the header.
func TestCompareWithoutCondition(t *testing.T) {
	memory := &buckettest.Memory{}
	server := &buckettest.Server{Memory: memory}
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != "" {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		server.ServeHTTP(w, r)
	}))
	ref := memory.Put("key", nil).Ref
	wrong := bucket.Ref{Key: memory.Put("wrong", nil).Key, ETag: `"wrong"`}
	errs := open(t, Options{}).Delete(t.Context(), []bucket.Ref{ref, wrong})
	if errs[0] != nil || !errors.Is(errs[1], bucket.ErrChanged) {
		t.Errorf("errors %v", errs)
	}
}

// TestCompareBeforeEachAttempt: WayCompare does not repeat a delete whose answer was lost
// without comparing again.
func TestCompareBeforeEachAttempt(t *testing.T) {
	for _, applied := range []bool{true, false} {
		memory := &buckettest.Memory{}
		server := &buckettest.Server{Memory: memory, IgnoreSingleCondition: true}
		failed := false
		serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodDelete || failed {
				server.ServeHTTP(w, r)
				return
			}
			failed = true
			if applied {
				server.ServeHTTP(httptest.NewRecorder(), r)
			}
			memory.Put("key", []byte("newer"))
			w.WriteHeader(http.StatusInternalServerError)
		}))
		ref := memory.Put("key", []byte("old")).Ref
		if err := open(t, Options{}).Delete(t.Context(), []bucket.Ref{ref})[0]; !errors.Is(err, bucket.ErrChanged) || len(memory.Keys()) != 1 {
			t.Errorf("applied %v: %v, left %q", applied, err, memory.Keys())
		}
	}
}

// TestForeignNotFound: a proxy's 404 says nothing about an object.
func TestForeignNotFound(t *testing.T) {
	for _, body := range []string{"", "404 page not found\n", "<html>", "<Error><Code>NoSuchBucket</Code></Error>"} {
		serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		}))
		b := open(t, Options{})
		_, _, getErr := b.Get(t.Context(), "key")
		ref := bucket.Ref{Key: "key", ETag: `"e"`}
		for of, err := range map[string]error{
			"get": getErr, "delete": b.deleteBy(t.Context(), WaySingle, []bucket.Ref{ref})[0], "deletes": b.deleteBy(t.Context(), WayBatch, []bucket.Ref{ref})[0],
		} {
			if err == nil || errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrDenied) {
				t.Errorf("%s answered with %q: %v", of, body, err)
			}
		}
	}
}

// TestBrokenBodies: a body that ends early or stalls again and again fails the read.
func TestBrokenBodies(t *testing.T) {
	for name, stall := range map[string]bool{"short": false, "stalled": true} {
		t.Run(name, func(t *testing.T) {
			limit := 10 * time.Minute // a slow machine is no stall
			if stall {
				limit = 50 * time.Millisecond
			}
			serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("only this"))
				if stall {
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
			}))
			_, body, err := open(t, Options{limits: limits{stall: limit, retry: 2 * limit}}).Get(t.Context(), "key")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = body.Close() }()
			if content, err := io.ReadAll(body); err == nil || string(content) != "only this" {
				t.Errorf("read %q, error %v", content, err)
			} else if stall != errors.As(err, new(stalledError)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// pausingBody is the body of a response. Each Read waits for the pause, or until the request is
// cancelled.
type pausingBody struct {
	ctx   context.Context
	pause time.Duration
}

func (b *pausingBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.pause):
		return len(p), nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *pausingBody) Close() error { return nil }

// RoundTrip implements http.RoundTripper. It returns the body itself.
func (b *pausingBody) RoundTrip(r *http.Request) (*http.Response, error) {
	b.ctx = r.Context()
	return &http.Response{StatusCode: http.StatusOK, Body: b}, nil
}

// TestSlowReader: pauses between reads do not count as a stall; the wait for bytes does, also
// where one comes now and then.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &pausingBody{}
		g := guard{client: &http.Client{Transport: body}, stall: 30 * time.Second}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.test/bucket/key", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := g.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		for _, read := range []struct {
			wait    time.Duration
			size    int
			stalled bool
		}{
			{0, 1, false}, {29 * time.Second, 1, false}, {0, leastInStall, false},
			{29 * time.Second, leastInStall, false}, {29 * time.Second, leastInStall, false},
			{14 * time.Second, leastInStall / 2, false}, {15 * time.Second, leastInStall / 2, false},
			{14 * time.Second, leastInStall / 2, false}, {15 * time.Second, 1, false}, {2 * time.Second, leastInStall, true},
		} {
			time.Sleep(time.Hour)
			body.pause = read.wait
			n, err := response.Body.Read(make([]byte, read.size))
			if stalled := errors.As(err, new(stalledError)); stalled != read.stalled || !stalled && n != read.size {
				t.Errorf("after a pause of an hour, and a wait for %s: %d bytes of %d, error %v", read.wait, n, read.size, err)
			}
		}
	})
}

// TestSlowListing: a page of a listing may take minutes; other requests may not.
func TestSlowListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard{client: &http.Client{Transport: slowTransport(2 * time.Minute)}, stall: time.Second}
		for ctx, want := range map[context.Context]bool{t.Context(): false, patiently(t.Context()): true} {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://s3.test/bucket", nil)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			response, err := g.Do(r)
			if (err == nil) != want || !want && time.Since(begin) != responseLimit {
				t.Errorf("after %s, patient %v: %v", time.Since(begin), want, err)
			}
			if err == nil {
				_ = response.Body.Close()
			}
		}
	})
}

// slowTransport answers after a time.
type slowTransport time.Duration

// RoundTrip implements http.RoundTripper.
func (s slowTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Duration(s)):
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// TestConnectionOfEachRequest: also with TLS, requests share no connection at the same time.
func TestConnectionOfEachRequest(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the request came by %s", r.Proto)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	serve(t, http.NotFoundHandler())
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", authority)
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	if _, _, err := open(t, Options{}).Get(t.Context(), "key"); status(err) != http.StatusForbidden {
		t.Errorf("get: %v", err)
	}
}

// TestOddListings: a response that is no listing does not count as an empty bucket.
func TestOddListings(t *testing.T) {
	for _, answer := range []string{
		"", "<Error><Code>InternalError</Code></Error>", "<html></html>", "<ListBucketResult><Name>bucket",
		"<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken></ListBucketResult>",
	} {
		serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		var last error
		for _, err := range open(t, Options{}).List(t.Context()) {
			last = err
		}
		if last == nil {
			t.Errorf("%q counts as a complete listing", answer)
		}
	}
}

// TestRequestCounts: S3 bills per request.
func TestRequestCounts(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	serve(t, server)
	var refs []bucket.Ref
	for i := range 2500 {
		refs = append(refs, server.Memory.Put(strconv.Itoa(i), nil).Ref)
	}
	b := open(t, Options{PageSize: 1000})
	for _, err := range b.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.deleteBy(t.Context(), WayBatch, refs)
	if c := server.Memory.Counts(); c.Lists != 3 || c.Deletes != 3 || c.DeletedKeys != 2500 {
		t.Errorf("counts %+v", c)
	}
}

func TestOpenNeedsAName(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); err == nil {
		t.Error("no error")
	}
}

// TestRefusedBatchIsHalved: a request that is refused for one key, by what stands before the
// server, deletes all other objects; one that is refused for all ends.
func TestRefusedBatchIsHalved(t *testing.T) {
	for _, test := range []struct {
		refused  string // what the body of a refused request contains
		left     int
		requests int32 // at most
	}{{"x/0417", 1, 20}, {"x/", 1000, maxHalves + 1}} {
		server := &buckettest.Server{Memory: &buckettest.Memory{}}
		var asked atomic.Int32
		serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if asked.Add(1); strings.Contains(string(body), test.refused) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "<html><body>Request blocked</body></html>")
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			server.ServeHTTP(w, r)
		}))
		var refs []bucket.Ref
		for i := range 1000 {
			refs = append(refs, server.Memory.Put(fmt.Sprintf("x/%04d", i), nil).Ref)
		}
		failed := 0
		for _, err := range open(t, Options{}).deleteBy(t.Context(), WayBatch, refs) {
			if err != nil {
				failed++
			}
		}
		if left := len(server.Memory.Keys()); left != test.left || failed != test.left || asked.Load() > test.requests+1 {
			t.Errorf("%s is refused: %d objects left, %d failed, %d requests", test.refused, left, failed, asked.Load())
		}
	}
}

// TestHalvesOfTheRest: what was deleted before a request was refused is not deleted again.
func TestHalvesOfTheRest(t *testing.T) {
	var requests []string
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		keys := ""
		for _, key := range []string{"a", "b", "c"} {
			if strings.Contains(string(body), "<Key>"+key+"</Key>") {
				keys += key
			}
		}
		requests = append(requests, keys)
		if keys == "bc" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "<DeleteResult>")
		for _, key := range keys {
			if keys == "abc" && key != 'a' {
				_, _ = fmt.Fprintf(w, "<Error><Key>%c</Key><Code>SlowDown</Code></Error>", key)
				continue
			}
			_, _ = fmt.Fprintf(w, "<Deleted><Key>%c</Key></Deleted>", key)
		}
		_, _ = io.WriteString(w, "</DeleteResult>")
	}))
	refs := []bucket.Ref{{Key: "a", ETag: `"e"`}, {Key: "b", ETag: `"e"`}, {Key: "c", ETag: `"e"`}}
	for i, err := range open(t, Options{}).deleteBy(t.Context(), WayBatch, refs) {
		if err != nil {
			t.Errorf("%s: %v", refs[i].Key, err)
		}
	}
	if got := strings.Join(requests, " "); got != "abc bc b c" {
		t.Errorf("requests for %s", got)
	}
}
