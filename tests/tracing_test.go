package tests

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// receiver is a trace collector.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests int
	spans    []*spans.Span
	services []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	raw, err := io.ReadAll(body)
	var export collector.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, from := range export.GetResourceSpans() {
		for _, a := range from.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				r.services = append(r.services, a.GetValue().GetStringValue())
			}
		}
		for _, scope := range from.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
}

func (r *receiver) env() []string { return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL} }

// named returns the spans with the name.
func (r *receiver) named(name string) []*spans.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*spans.Span
	for _, s := range r.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

// children returns the names of a span's children.
func (r *receiver) children(parent *spans.Span) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, s := range r.spans {
		if string(s.GetParentSpanId()) == string(parent.GetSpanId()) && string(s.GetTraceId()) == string(parent.GetTraceId()) {
			found = append(found, s.GetName())
		}
	}
	return found
}

// attribute returns a span's attribute as text.
func attribute(s *spans.Span, key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			if text := a.GetValue().GetStringValue(); text != "" {
				return text
			}
			return fmt.Sprint(a.GetValue().GetIntValue())
		}
	}
	return ""
}

func newTracedSite(t *testing.T, o database.Options, env ...string) *site {
	t.Helper()
	s := newSite(t, o, newFolder(t))
	s.env = append(s.env, env...)
	return s
}

const (
	secret      = "Secret Film"
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
)

// TestTracing: the spans lead from an object to its transaction, and from a
// request to its query.
func TestTracing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		r := newReceiver(t)
		s := newTracedSite(t, o, append(r.env(), "OTEL_BSP_SCHEDULE_DELAY=50")...)
		s.put(t, "good.json", fmt.Appendf(nil, `[{"title": %q, "year": 2001, "genres": ["Drama"]}, {"title": "Two", "year": 2002}]`, secret))
		s.put(t, "bad.json", []byte(`[{"title": "Three", "year": 2003}, {"title": 7}]`))
		s.drain(t)
		checkObjects(t, r)
		checkCommits(t, r)
		checkRequest(t, r, s)
		for _, span := range r.spans {
			if strings.Contains(span.String(), secret) {
				t.Errorf("a value is in span %v", span)
			}
		}
		for _, service := range []string{"jpmovies-api", "jpmovies-worker"} {
			if !slices.Contains(r.services, service) {
				t.Errorf("services are %q, want also %s", r.services, service)
			}
		}
	})
}

func checkObjects(t *testing.T, r *receiver) {
	t.Helper()
	objects := r.named("object")
	if len(objects) != 2 {
		t.Fatalf("%d spans of objects, want 2", len(objects))
	}
	for _, object := range objects {
		var got []string
		for _, key := range []string{"object.key", "object.updates", "object.rejections", "object.end"} {
			got = append(got, attribute(object, key))
		}
		got = append(got, object.GetStatus().GetMessage())
		want := []string{"good.json", "2", "0", "removed", ""}
		if got[0] == "bad.json" {
			want = []string{"bad.json", "1", "1", "removed", "updates were rejected"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("object is %q, want %q", got, want)
		}
		for _, key := range []string{"object.etag", "object.size", "object.last_modified"} {
			if attribute(object, key) == "" {
				t.Errorf("an object has no %s", key)
			}
		}
		if object.GetKind() != spans.Span_SPAN_KIND_CONSUMER {
			t.Errorf("an object is of kind %s", object.GetKind())
		}
		if children := r.children(object); !slices.Contains(children, "get") {
			t.Errorf("children of an object are %q, want its GET", children)
		}
	}
}

func checkCommits(t *testing.T, r *receiver) {
	t.Helper()
	linked := map[string]bool{}
	for _, commit := range r.named("commit batch") {
		for _, link := range commit.GetLinks() {
			linked[string(link.GetSpanId())] = true
		}
		children := r.children(commit)
		for _, want := range []string{"sql.conn.begin_tx", "INSERT movie", "SELECT movie", "sql.tx.commit"} {
			if !slices.Contains(children, want) {
				t.Errorf("children of a commit are %q, want also %q", children, want)
			}
		}
	}
	for _, object := range r.named("object") {
		if !linked[string(object.GetSpanId())] {
			t.Error("no commit is linked to an object")
		}
	}
	for _, s := range r.spans {
		if len(s.GetParentSpanId()) == 0 && !slices.Contains([]string{"object", "commit batch", "delete"}, s.GetName()) {
			t.Errorf("%q has no parent", s.GetName())
		}
	}
}

func checkRequest(t *testing.T, r *receiver, s *site) {
	t.Helper()
	p := s.start(t, "api")
	api := p.apiOf(t)
	s.waitSeen(t, api)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/movies/1/history", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("traceparent", "00-"+clientTrace+"-"+clientSpan+"-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if line := p.logs(t, "/movies/1/history"); !strings.Contains(line, `"trace_id":"`+clientTrace+`"`) {
		t.Errorf("log says %s", line)
	}
	var of *spans.Span
	waitFor(t, "the span of the request", func() bool {
		for _, span := range r.named("GET /movies/{id}/history") {
			if hex.EncodeToString(span.GetTraceId()) == clientTrace {
				of = span
			}
		}
		return of != nil
	})
	got := []string{
		hex.EncodeToString(of.GetParentSpanId()), attribute(of, "http.request.method"), attribute(of, "http.route"),
		attribute(of, "url.path"), attribute(of, "http.response.status_code"),
	}
	if want := []string{clientSpan, "GET", "/movies/{id}/history", "/movies/1/history", "200"}; !slices.Equal(got, want) {
		t.Errorf("span is %q, want %q", got, want)
	}
	if !slices.ContainsFunc(r.children(of), func(name string) bool { return strings.HasPrefix(name, "SELECT ") }) {
		t.Errorf("children of the request are %q, want a SELECT", r.children(of))
	}
	checkExemplar(t, p)
	for _, name := range []string{"SELECT catalogue", "SELECT change_log"} {
		for _, look := range r.named(name) {
			if len(look.GetParentSpanId()) == 0 {
				t.Errorf("%q has no parent", name)
			}
		}
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func checkExemplar(t *testing.T, p *process) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.adminOf(t, "API starts")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), `# {trace_id="`) {
		t.Errorf("no exemplar (%v) in %s", err, text)
	}
}

// busyBucket is a bucket that others change at the worst moment: just before the worker's
// request reaches the server.
type busyBucket struct {
	s3Bucket
	*httptest.Server
}

// newBusyBucket calls act with the method and the key of each request; if it returns true, the
// request gets a 403.
func newBusyBucket(t *testing.T, act func(b s3Bucket, request string) (refuse bool)) busyBucket {
	t.Helper()
	b := busyBucket{s3Bucket: newS3Bucket(t).(s3Bucket)}
	to, err := url.Parse(os.Getenv(s3Variable))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host // the signature covers the host
	}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if act(b.s3Bucket, r.Method+" "+path.Base(r.URL.Path)) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b busyBucket) env() []string {
	return append(b.s3Bucket.env(), "AWS_ENDPOINT_URL_S3="+b.URL) // the last one wins
}

// TestTracingOfEnds: the span of an object tells its outcome, also if others were faster.
func TestTracingOfEnds(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	from := newBusyBucket(t, func(b s3Bucket, request string) bool {
		mu.Lock()
		defer mu.Unlock()
		first := !seen[request]
		seen[request] = true
		switch {
		case !first:
		case request == "DELETE overwritten.json":
			b.put(t, "overwritten.json", []byte(`{"title": "New", "year": 2002}`))
		case request == "GET gone.json":
			b.remove(t, "gone.json")
		case request == "GET left.json":
			return true
		}
		return false
	})
	r := newReceiver(t)
	s := newSite(t, databasetest.SQLite(t), from)
	s.env = append(s.env, r.env()...)
	for _, key := range []string{"overwritten.json", "gone.json", "left.json"} {
		s.put(t, key, []byte(`{"title": "Old", "year": 2001}`))
	}
	s.drain(t)
	got := map[string][]string{}
	for _, object := range r.named("object") {
		key := attribute(object, "object.key")
		got[key] = append(got[key], attribute(object, "object.end")+" "+strings.TrimPrefix(object.GetStatus().GetCode().String(), "STATUS_CODE_"))
	}
	want := map[string][]string{
		"overwritten.json": {"overwritten UNSET", "removed UNSET"}, "gone.json": {"gone UNSET"}, "left.json": {"left ERROR", "removed UNSET"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTracingOfMessages: the span of an object links to the span that received its message.
func TestTracingOfMessages(t *testing.T) {
	s, from := newNotifiedSite(t, time.Minute)
	r := newReceiver(t)
	s.env = append(s.env, r.env()...)
	p := s.start(t, "worker")
	p.logs(t, "pass: 0 updates")
	for i := range 3 {
		s.put(t, fmt.Sprint(i), fmt.Appendf(nil, `{"title": "Film", "year": %d}`, 2000+i))
	}
	s.waitDrained(t, from.queue)
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	name := path.Base(from.queue.url)
	received := map[string]bool{}
	for operation, kind := range map[string]string{"receive": "receive", "delete": "settle"} {
		messages := 0
		for _, span := range r.named(operation + " " + name) {
			var got []string
			for _, key := range []string{"messaging.system", "messaging.destination.name", "messaging.operation.name", "messaging.operation.type"} {
				got = append(got, attribute(span, key))
			}
			if want := []string{"aws_sqs", name, operation, kind}; !slices.Equal(got, want) || span.GetKind() != spans.Span_SPAN_KIND_CLIENT {
				t.Errorf("%s is %q, want %q", span.GetKind(), got, want)
			}
			n, _ := strconv.Atoi(attribute(span, "messaging.batch.message_count"))
			messages += n
			received[string(span.GetSpanId())] = operation == "receive"
		}
		if messages != 3 {
			t.Errorf("%s: %d messages, want 3", operation, messages)
		}
	}
	objects := map[string]int{}
	for _, object := range r.named("object") {
		key := attribute(object, "object.key")
		objects[key]++
		if links := object.GetLinks(); len(links) != 1 || !received[string(links[0].GetSpanId())] {
			t.Errorf("%s is linked to %v", key, links)
		}
	}
	if diff := cmp.Diff(map[string]int{"0": 1, "1": 1, "2": 1}, objects); diff != "" {
		t.Errorf("spans of objects, want -, got +: %s", diff)
	}
}

// TestTracingIsOff: the program sends no spans unless the variables ask for them.
func TestTracingIsOff(t *testing.T) {
	r := newReceiver(t)
	for name, env := range map[string][]string{
		"not asked": {"OTEL_SERVICE_NAME=x"},
		"disabled":  append(r.env(), "OTEL_SDK_DISABLED=true"),
		"none":      append(r.env(), "OTEL_TRACES_EXPORTER=none"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newTracedSite(t, databasetest.SQLite(t), env...)
			s.put(t, "good.json", []byte(`{"title": "One", "year": 2001}`))
			s.drain(t)
			p := s.start(t, "api")
			get(t, p.apiOf(t)+"/movies")
			if line := p.logs(t, `"msg":"request"`); strings.Contains(line, "trace_id") {
				t.Errorf("log says %s", line)
			}
			if code := p.stop(t); code != 0 || r.requests > 0 {
				t.Errorf("exit %d; %d requests", code, r.requests)
			}
		})
	}
}

// TestReceiverIsAway: a collector that does not accept spans delays nothing: not a pass, not a
// request, and the end of a process by 5 s only.
func TestReceiverIsAway(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts connections
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hole.Close() })
	const timeout = 2 * time.Minute // of an export; what waits for one takes as long
	milliseconds := strconv.FormatInt(timeout.Milliseconds(), 10)
	for name, addr := range map[string]string{"down": "127.0.0.1:" + freePort(t), "silent": hole.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTracedSite(t, databasetest.SQLite(t), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+addr,
				"OTEL_EXPORTER_OTLP_TIMEOUT="+milliseconds, "OTEL_BSP_EXPORT_TIMEOUT="+milliseconds, "OTEL_BSP_SCHEDULE_DELAY=10", "OTEL_BSP_MAX_QUEUE_SIZE=10")
			for i := range 30 {
				s.put(t, fmt.Sprintf("%d.json", i), fmt.Appendf(nil, `{"title": "Film", "year": %d}`, 1950+i))
			}
			timed := func(what string, do func()) {
				start := time.Now()
				do()
				if took := time.Since(start); took > timeout/4 { // much longer than on a slow machine, much shorter than an export
					t.Errorf("%s took %s", what, took)
				}
			}
			timed("a drain", func() { s.drain(t) })
			p := s.start(t, "api")
			api := p.apiOf(t)
			for range 200 {
				timed("a request", func() { get(t, api+"/movies") })
			}
			timed("the end of the API", func() {
				if code := p.stop(t); code != 0 {
					t.Errorf("exit %d", code)
				}
			})
			p.logs(t, "spans are lost")
		})
	}
}
