package s3bucket

import (
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// serve makes the handler the S3 server of this test.
func serve(t *testing.T, handler http.Handler) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3":   server.URL,
		"AWS_ACCESS_KEY_ID":     "test",
		"AWS_SECRET_ACCESS_KEY": "test",
		// Ignore the configuration of the machine.
		"AWS_CONFIG_FILE":             "/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_REGION":                  "",
		"AWS_PROFILE":                 "",
	} {
		t.Setenv(name, value)
	}
}

func open(t *testing.T, o Options) *Bucket {
	t.Helper()
	o.Name = "bucket"
	o.PathStyle = true
	if o.Concurrency == 0 {
		o.Concurrency = 8
	}
	o.limits.maxBackoff = time.Millisecond
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ways lists servers, and the way that Probe must find on each.
var ways = []struct {
	way    string
	server buckettest.Server
}{
	{WayBatch, buckettest.Server{}},
	{WaySingle, buckettest.Server{IgnoreBatchCondition: true}},
	{WayCompare, buckettest.Server{IgnoreBatchCondition: true, IgnoreSingleCondition: true}},
	// WayBatch is proven, so it is used although If-Match is ignored.
	{WayBatch, buckettest.Server{IgnoreSingleCondition: true}},
	{WaySingle, buckettest.Server{Refuse: refuseOn("DeleteObjects", "NotImplemented")}},
	{WaySingle, buckettest.Server{Refuse: refuseOn("DeleteObjects", "MethodNotAllowed")}},
	{WaySingle, buckettest.Server{Refuse: refuseOn("DeleteObjects", "MalformedXML")}},
	{WaySingle, buckettest.Server{RefuseKey: func(string) string { return "InvalidArgument" }}},
}

func refuseOn(operation, code string) func(string, string) string {
	return func(op, _ string) string {
		if op == operation {
			return code
		}
		return ""
	}
}

func TestConformsOnServer(t *testing.T) {
	for _, test := range ways[:4] {
		t.Run(test.way, func(t *testing.T) {
			buckettest.Run(t, func(t *testing.T) buckettest.Harness {
				memory := &buckettest.Memory{}
				server := test.server
				server.Memory = memory
				serve(t, &server)
				return buckettest.Harness{
					Open: func(t *testing.T, prefix string) bucket.Store { return openProbed(t, prefix, test.way) },
					Put:  func(_ *testing.T, key string, content []byte) { memory.Put(key, content) },
					Keys: append(buckettest.OddKeys, buckettest.WildKeys...),
					Many: map[string]int{WaySingle: 1100, WayCompare: 1100}[test.way],
				}
			})
		})
	}
}

func openProbed(t *testing.T, prefix, way string) *Bucket {
	t.Helper()
	b := open(t, Options{Prefix: prefix, PageSize: 100})
	if err := reachAndProbe(t, b); err != nil {
		t.Fatal(err)
	}
	if b.Way() != way {
		t.Fatalf("way %q, want %q", b.Way(), way)
	}
	return b
}

func TestProbeFindsTheProvenWay(t *testing.T) {
	for _, test := range ways {
		server := test.server
		server.Memory = &buckettest.Memory{}
		serve(t, &server)
		openProbed(t, "inbox/", test.way)
		if keys := server.Memory.Keys(); len(keys) != 0 {
			t.Errorf("%s: the probe leaves %q", test.way, keys)
		}
	}
}

// TestOddKeyIsNotDeletedUnproven: a proven batch proves nothing about the single delete that
// a key needs which XML cannot contain. On a server that ignores If-Match there, the object
// that was overwritten survives all the same.
func TestOddKeyIsNotDeletedUnproven(t *testing.T) {
	server := &buckettest.Server{IgnoreSingleCondition: true, Memory: &buckettest.Memory{}}
	serve(t, server)
	b := openProbed(t, "", WayBatch)
	for _, key := range []string{"bell\u0007.json", "plain.json"} {
		server.Memory.Put(key, []byte("first"))
		read, body, err := b.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
		server.Memory.Put(key, []byte("second"))
		if errs := b.Delete(t.Context(), []bucket.Ref{read.Ref}); !errors.Is(errs[0], bucket.ErrChanged) {
			t.Errorf("%q: %v", key, errs)
		}
	}
	if keys := server.Memory.Keys(); len(keys) != 2 {
		t.Errorf("in the bucket: %q", keys)
	}
}

func TestProbeOfUnreachableServer(t *testing.T) {
	serve(t, http.NotFoundHandler())
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	b := open(t, Options{})
	if err := b.Probe(t.Context()); err == nil {
		t.Error("no error")
	}
	if b.Way() != WayCompare {
		t.Errorf("way %q before anything is proven", b.Way())
	}
}

func TestReachDeletesStaleProbeObjects(t *testing.T) {
	now := time.Now().Add(-11 * time.Minute)
	server := &buckettest.Server{Memory: &buckettest.Memory{Now: func() time.Time { return now }}}
	serve(t, server)
	server.Memory.Put("in/"+bucket.ProbePrefix+"old", nil)
	server.Memory.Put("in/a.json", nil)
	now = time.Now()
	server.Memory.Put("in/"+bucket.ProbePrefix+"young", nil)
	openProbed(t, "in/", WayBatch)
	if got := strings.Join(server.Memory.Keys(), " "); got != "in/"+bucket.ProbePrefix+"young in/a.json" {
		t.Errorf("left: %s", got)
	}
}

func TestProbeCancelledLeavesNothing(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	ctx, cancel := context.WithCancel(t.Context())
	server.Refuse = func(operation, _ string) string {
		if operation == "DeleteObjects" {
			cancel()
		}
		return ""
	}
	serve(t, server)
	if err := open(t, Options{}).Probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if keys := server.Memory.Keys(); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
}

// TestCABundle: AWS_CA_BUNDLE makes the client trust a server's certificate.
func TestCABundle(t *testing.T) {
	serve(t, http.NotFoundHandler())
	memory := &buckettest.Memory{}
	memory.Put("key", nil)
	server := httptest.NewTLSServer(&buckettest.Server{Memory: memory})
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", server.URL)
	t.Setenv("AWS_CA_BUNDLE", bundle)
	_, body, err := open(t, Options{}).Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
}

func TestCheckPrefix(t *testing.T) {
	server := &buckettest.Server{Memory: &buckettest.Memory{}}
	serve(t, server)
	server.Memory.Put("inbox/a.json", nil)
	for prefix, want := range map[string]string{"/inbox/": "other=inbox/", "inbox//": "other=inbox/", "inbox/": "", "inbox": "", "outbox/": "", "": ""} {
		var log strings.Builder
		b := open(t, Options{Prefix: prefix, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err := b.CheckPrefix(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), want) || (log.Len() > 0) != (want != "") {
			t.Errorf("%q: %s", prefix, log.String())
		}
	}
}
