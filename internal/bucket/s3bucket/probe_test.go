package s3bucket

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/bucket/buckettest"
)

func TestProbeWithoutRights(t *testing.T) {
	for _, test := range []struct{ operation, right, way string }{
		{"PutObject", "s3:PutObject", WayCompare},
		{"HeadObject", "s3:GetObject", WayCompare},
		{"DeleteObjects", "s3:DeleteObject", WaySingle},
		{"DeleteObject", "s3:DeleteObject", WayBatch},
	} {
		server := &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: refuseOn(test.operation, "AccessDenied")}
		serve(t, server)
		var log strings.Builder
		b := open(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err := b.Probe(t.Context()); err != nil || b.Way() != test.way {
			t.Errorf("%s: way %q, error %v", test.operation, b.Way(), err)
		}
		if !strings.Contains(log.String(), "missing_right="+test.right) {
			t.Errorf("%s: the log does not name %s:\n%s", test.operation, test.right, log.String())
		}
	}
}

// reachAndProbe does what a worker does before its first delete.
func reachAndProbe(t *testing.T, b *Bucket) error {
	t.Helper()
	if err := b.Reach(t.Context()); err != nil {
		return err
	}
	return b.Probe(t.Context())
}

// TestProbeLetsTheDrainBegin: an error of any code costs only the way that was tried, and a
// later listing probes again.
func TestProbeLetsTheDrainBegin(t *testing.T) {
	for operation, way := range map[string]string{
		"ListObjectsV2": WayBatch, "PutObject": WayCompare, "HeadObject": WayCompare, "DeleteObjects": WaySingle, "DeleteObject": WayBatch,
	} {
		for _, code := range []string{
			"InternalError", "SlowDown", "AccessDenied", "XMinioStorageFull", "QuotaExceeded", "InvalidRequest", "KMS.DisabledException",
			"MissingContentMD5", "NeverSeenBefore",
		} {
			server := &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: refuseOn(operation, code)}
			serve(t, server)
			var log strings.Builder
			b := open(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err := reachAndProbe(t, b); err != nil || b.Way() != way {
				t.Errorf("%s of %s: way %q, error %v", code, operation, b.Way(), err)
			}
			if operation != "HeadObject" && !strings.Contains(log.String(), code) && !unsupportedCode(code) {
				t.Errorf("%s of %s: the log does not say so:\n%s", code, operation, log.String())
			}
			if warned := strings.Contains(log.String(), "NOT PROVEN"); warned != (way == WayCompare) {
				t.Errorf("%s of %s: warned %v:\n%s", code, operation, warned, log.String())
			}
			server.Refuse = nil
			b.bringForward()
			for _, err := range b.List(t.Context()) {
				if err != nil {
					t.Error(err)
				}
			}
			if b.Way() != WayBatch && !unsupportedCode(code) {
				t.Errorf("%s of %s, afterwards: way %q", code, operation, b.Way())
			}
		}
	}
}

// TestFailedProbeKeepsTheProvenWay: a later probe that fails does not make deletes unsafe.
func TestFailedProbeKeepsTheProvenWay(t *testing.T) {
	for _, proven := range []struct{ denied, way string }{{"DeleteObjects", WaySingle}, {"DeleteObject", WayBatch}} {
		server := &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: refuseOn(proven.denied, "AccessDenied")}
		serve(t, server)
		b := open(t, Options{})
		if err := b.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Refuse = refuseOn("PutObject", "AccessDenied")
		b.bringForward()
		for _, err := range b.List(t.Context()) {
			if err != nil {
				t.Error(err)
			}
		}
		if b.Way() != proven.way {
			t.Errorf("way %q after a failed probe, want %q", b.Way(), proven.way)
		}
	}
}

// unsupportedCode reports whether the code says that the server will never support the request.
func unsupportedCode(code string) bool { return code == "InvalidRequest" }

// bringForward makes a planned probe due now.
func (b *Bucket) bringForward() {
	if b.reprobeAt.Load() != 0 {
		b.reprobeAt.Store(1)
	}
}

// TestProbeReportsOutages: Probe fails while the bucket is missing or elsewhere or the credentials
// are wrong, warns of nothing else, and succeeds when that is repaired.
func TestProbeReportsOutages(t *testing.T) {
	for code, hint := range map[string]string{
		"NoSuchBucket": "", "InvalidAccessKeyId": "", "SignatureDoesNotMatch": "", "ExpiredToken": "",
		"PermanentRedirect": "AWS_REGION=" + buckettest.OtherRegion, "AuthorizationHeaderMalformed": "AWS_REGION=" + buckettest.OtherRegion,
	} {
		server := &buckettest.Server{Memory: &buckettest.Memory{}, Refuse: func(string, string) string { return code }}
		serve(t, server)
		var log strings.Builder
		b := open(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for name, check := range map[string]func(context.Context) error{"reach": b.Reach, "probe": b.Probe} {
			if err := check(t.Context()); err == nil || !strings.Contains(err.Error(), code) || !strings.Contains(err.Error(), hint) {
				t.Errorf("%s: %s: %v", code, name, err)
			}
		}
		if log.Len() > 0 {
			t.Errorf("%s: warned of something else: %s", code, log.String())
		}
		server.Refuse = nil
		if err := b.Probe(t.Context()); err != nil || b.Way() != WayBatch {
			t.Errorf("%s, afterwards: way %q, error %v", code, b.Way(), err)
		}
	}
}

// TestProbeOfSilentOperations: a request that hangs, or whose connection is reset, costs only
// its way if the server answers others.
func TestProbeOfSilentOperations(t *testing.T) {
	for _, test := range []struct{ method, way string }{
		{http.MethodPost, WaySingle}, {http.MethodDelete, WayBatch}, {http.MethodPut, WayCompare}, {http.MethodHead, WayCompare},
	} {
		for name, silence := range map[string]func(*http.Request){
			"hangs": func(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() },
			"reset": func(*http.Request) { panic(http.ErrAbortHandler) },
		} {
			server := &buckettest.Server{Memory: &buckettest.Memory{}}
			serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == test.method {
					silence(r)
					return
				}
				server.ServeHTTP(w, r)
			}))
			l := limits{try: 10 * time.Second, cleanup: 200 * time.Millisecond}
			if name == "hangs" {
				l.try = time.Second
			}
			b := open(t, Options{limits: l})
			if err := b.Probe(t.Context()); err != nil || b.Way() != test.way {
				t.Errorf("%s %s: way %q, error %v", test.method, name, b.Way(), err)
			}
		}
	}
}

// TestProbeWithObjectLock: a bucket with object lock rejects objects without a checksum.
func TestProbeWithObjectLock(t *testing.T) {
	serve(t, &buckettest.Server{Memory: &buckettest.Memory{}, ObjectLock: true})
	openProbed(t, "", WayBatch)
}
