package s3bucket

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/buckettest"
)

// TestConformsOnVersitygw runs the suite on a real server; see scripts/with_s3.
func TestConformsOnVersitygw(t *testing.T) {
	for _, way := range []string{WaySingle, WayCompare} {
		t.Run(way, func(t *testing.T) {
			buckettest.Run(t, func(t *testing.T) buckettest.Harness { return versitygw(t, way) })
		})
	}
}

// TestProbeOnVersitygw: versitygw ignores the ETags of DeleteObjects and honours If-Match. If
// this test fails after an update of the server, it may honour both.
func TestProbeOnVersitygw(t *testing.T) {
	b := newBucket(t)
	if err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.Way() != WaySingle {
		t.Errorf("way %q, want %q", b.Way(), WaySingle)
	}
	for page, err := range b.List(t.Context()) {
		if err != nil || len(page) != 0 {
			t.Errorf("the probe leaves %v, error %v", page, err)
		}
	}
}

func versitygw(t *testing.T, way string) buckettest.Harness {
	made := newBucket(t)
	return buckettest.Harness{
		Open: func(_ *testing.T, prefix string) bucket.Store {
			b := &Bucket{ // shares the connections
				client: made.client, name: made.name, prefix: prefix, pageSize: made.pageSize,
				concurrency: made.concurrency, retryer: made.retryer, log: made.log,
				limits: made.limits,
			}
			b.way.Store(way)
			return b
		},
		Put: func(t *testing.T, key string, content []byte) {
			t.Helper()
			_, err := made.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &made.name, Key: &key, Body: bytes.NewReader(content)})
			if err != nil {
				t.Errorf("put %q: %v", key, err)
			}
		},
		Keys:         append(buckettest.OddKeys, ".hidden"),
		SilentlyGone: true,
		Many:         1100,
	}
}

// newBucket creates a bucket on the server.
func newBucket(t *testing.T) *Bucket {
	t.Helper()
	endpoint := os.Getenv("MOVIES_TEST_S3_ENDPOINT")
	switch {
	case endpoint == "" && os.Getenv("CI") == "true":
		t.Fatal("MOVIES_TEST_S3_ENDPOINT is not set: run scripts/with_s3 go test ...")
	case endpoint == "":
		t.Skip("MOVIES_TEST_S3_ENDPOINT is not set: run scripts/with_s3 go test ...")
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", endpoint)
	b, err := Open(t.Context(), Options{
		Name: "test-" + strings.ToLower(rand.Text()), PathStyle: true, PageSize: 100, Concurrency: 16,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.name}); err != nil {
		t.Fatal(err)
	}
	return b
}
