package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/bucket"
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

// TestNoCredentials: the worker waits while the service that grants its role refuses, whatever that
// answers.
func TestNoCredentials(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for code, answer := range map[string]int{
		"AccessDenied": http.StatusForbidden, "InvalidIdentityToken": http.StatusBadRequest, "ExpiredTokenException": http.StatusBadRequest,
		"NoSuchKey": http.StatusNotFound,
	} {
		roles := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(answer)
			_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		}))
		t.Cleanup(roles.Close)
		serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s: S3 is asked: %s", code, r.URL) }))
		for name, value := range map[string]string{
			"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/movies",
			"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ENDPOINT_URL_STS": roles.URL, "AWS_REGION": "eu-central-1", "AWS_MAX_ATTEMPTS": "1",
		} {
			t.Setenv(name, value)
		}
		b := open(t, Options{limits: limits{retry: 50 * time.Millisecond}})
		if err := b.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: reached: %v", code, err)
		}
		if err := b.Probe(t.Context()); err == nil {
			t.Errorf("%s: probed", code)
		}
		if _, _, err := b.Get(t.Context(), "k"); err == nil || errors.Is(err, bucket.ErrDenied) || errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("%s: get: %v", code, err)
		}
	}
}

// TestStartBehindBalancer: the worker waits while a load balancer cannot reach the server.
func TestStartBehindBalancer(t *testing.T) {
	for _, answer := range []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		for _, page := range []string{"", "no healthy upstream", "<html><body>no upstream</body></html>", "<html>\r\n<body>\r\n<center><h1>502</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"} {
			server, up := &buckettest.Server{Memory: &buckettest.Memory{}}, false
			serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if up {
					server.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(answer)
				_, _ = io.WriteString(w, page)
			}))
			b := open(t, Options{})
			if err := b.Reach(t.Context()); err == nil {
				t.Errorf("%d: reached", answer)
			}
			if err := b.Probe(t.Context()); err == nil {
				t.Errorf("%d: probed", answer)
			}
			up = true
			if err := reachAndProbe(t, b); err != nil || b.Way() != WayBatch {
				t.Errorf("%d: way %q, error %v", answer, b.Way(), err)
			}
		}
	}
}

// TestMissingRight: the missing right is the one that AWS names.
func TestMissingRight(t *testing.T) {
	serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::1:assumed-role/movies/x is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-central-1:1:key/k because no identity-based policy allows the kms:GenerateDataKey action</Message></Error>")
	}))
	var log strings.Builder
	if err := open(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Probe(t.Context()); err != nil || !strings.Contains(log.String(), "missing_right=kms:GenerateDataKey") {
		t.Errorf("%v\n%s", err, log.String())
	}
}
