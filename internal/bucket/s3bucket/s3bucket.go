// Package s3bucket is a bucket on S3, or on a server that speaks its protocol.
//
// Deleting only what was read needs a server that obeys the condition of a
// delete. Many accept the condition, ignore it and delete, so Probe tries it out
// and Delete uses the best way that is proven.
package s3bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/bucket"
)

// The ways to delete, best first. Way returns one of them.
const (
	// WayBatch: DeleteObjects with an ETag for each key.
	WayBatch = "batch"
	// WaySingle: DeleteObject with If-Match, in parallel.
	WaySingle = "single"
	// WayCompare: HEAD, compare the ETag, DeleteObject. An object overwritten
	// between the two requests is lost where the server ignores conditions.
	WayCompare = "compare"
)

// Options says which bucket, and how to use it.
type Options struct {
	// Name of the bucket.
	Name string
	// Prefix of the keys that are listed; "" lists all. Keys stay whole.
	Prefix string
	// PathStyle puts the bucket's name into the path instead of the host name.
	PathStyle bool
	// PageSize is the number of objects per listing page; 0 leaves it to the
	// server, whose limit is usually 1,000.
	PageSize int
	// Concurrency is the number of parallel requests of one Delete, and of
	// connections that are kept open; 0 means 1.
	Concurrency int
	// Logger gets what Probe found; nil means slog.Default.
	Logger *slog.Logger

	// stall and maxBackoff replace the durations below in tests.
	stall, maxBackoff, retryLimit, tryLimit, cleanupLimit time.Duration
}

// Bucket implements bucket.Store.
type Bucket struct {
	client      *s3.Client
	name        string
	prefix      string
	pageSize    *int32
	concurrency int
	retryer     aws.Retryer
	log         *slog.Logger
	way         atomic.Value // string
	probes      probes
	// tryLimit and cleanupLimit bound the parts of a probe.
	tryLimit, cleanupLimit time.Duration
}

var (
	_ bucket.Store   = (*Bucket)(nil)
	_ bucket.Deleter = (*Bucket)(nil)
)

// Open returns the bucket without asking the server anything. Credentials,
// region and endpoint come from the SDK's own chain of environment, profile and
// role. The errors are those of the configuration.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	if o.Name == "" {
		return nil, errors.New("the bucket has no name")
	}
	o = withDefaults(o)
	// A region is part of each signature, but servers other than AWS have none.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion("us-east-1"))
	if err != nil {
		return nil, fmt.Errorf("configure S3: %w", err)
	}
	b := &Bucket{
		name:        o.Name,
		prefix:      o.Prefix,
		concurrency: o.Concurrency,
		retryer:     newRetryer(o.maxBackoff, o.retryLimit),
		log:         o.Logger,
		tryLimit:    o.tryLimit, cleanupLimit: o.cleanupLimit,
	}
	if o.PageSize > 0 {
		b.pageSize = aws.Int32(int32(min(o.PageSize, 1000)))
	}
	b.way.Store(WayCompare)
	b.client = s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.UsePathStyle = o.PathStyle
		s.Retryer = b.retryer
		s.HTTPClient = newHTTPClient(cfg.HTTPClient, o.Concurrency, o.stall)
		// Many servers refuse the checksums that the SDK would add of its own.
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		s.APIOptions = append(s.APIOptions, unsignedAcceptEncoding, noteBegin)
	})
	return b, nil
}

func withDefaults(o Options) Options {
	o.Concurrency = max(o.Concurrency, 1)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.stall = cmp.Or(o.stall, stallLimit)
	o.maxBackoff = cmp.Or(o.maxBackoff, maxBackoff)
	o.retryLimit = cmp.Or(o.retryLimit, retryLimit)
	o.tryLimit = cmp.Or(o.tryLimit, tryLimit)
	o.cleanupLimit = cmp.Or(o.cleanupLimit, cleanupLimit)
	return o
}

// Way returns how Delete works since the last successful Probe: WayBatch,
// WaySingle or WayCompare.
func (b *Bucket) Way() string {
	return b.way.Load().(string)
}

// DeleteSize implements bucket.Deleter.
func (b *Bucket) DeleteSize() int {
	if b.Way() == WayBatch {
		return maxBatch
	}
	return 1
}

// Conditional implements bucket.Deleter.
func (b *Bucket) Conditional() bool { return b.Way() != WayCompare }
