// Package s3bucket implements bucket.Store on S3 and on servers that speak its protocol.
//
// An object that was overwritten after it was read must survive its delete. S3 offers two
// requests for that: DeleteObject with the header If-Match, and DeleteObjects with an ETag
// for each key. Many servers accept the condition, ignore it and delete. So Probe tries
// both on objects of its own, and Delete uses the best way that is proven:
//
//	DeleteObjects with ETags, else DeleteObject with If-Match, else HeadObject and DeleteObject
package s3bucket

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/awsconfig"
	"jpmovies/internal/bucket"
)

// The ways to delete, best first. Way returns one of them.
const (
	// WayBatch sends DeleteObjects with an ETag for each key.
	WayBatch = "batch"
	// WaySingle sends DeleteObject with If-Match, in parallel.
	WaySingle = "single"
	// WayCompare sends HeadObject, compares the ETag, and sends DeleteObject. If the server
	// ignores conditions, an object overwritten between the two requests is lost.
	WayCompare = "compare"
)

// Options configures a Bucket.
type Options struct {
	// Name of the bucket.
	Name string
	// Prefix selects the keys to list; "" selects all. Keys keep their prefix.
	Prefix string
	// PathStyle puts the bucket's name into the path instead of the host name.
	PathStyle bool
	// PageSize is the number of objects per listing page, at most 1,000 (ListObjectsV2,
	// max-keys); 0 leaves it to the server.
	PageSize int
	// Concurrency is the number of idle connections that are kept, and of parallel requests of
	// one Delete; 0 means 1.
	Concurrency int
	// Adaptive makes Bucket.Concurrency, and with it the parallel requests of one Delete, follow
	// the store's answers, from LeastConcurrency to Concurrency.
	Adaptive bool
	// Logger receives the results of Probe; nil means slog.Default.
	Logger *slog.Logger

	limits limits // set by tests only
}

// limits are the durations after which the bucket gives up; 0 means the default.
type limits struct {
	stall      time.Duration // waiting for a byte of a body, or for leastInStall of an object
	maxBackoff time.Duration // longest pause between attempts
	retry      time.Duration // age from which a request is not retried
	try        time.Duration // for one way of a probe
	cleanup    time.Duration // for deleting the objects of a probe
}

func (l limits) withDefaults() limits {
	return limits{
		stall:      cmp.Or(l.stall, 30*time.Second),
		maxBackoff: cmp.Or(l.maxBackoff, time.Second),
		retry:      cmp.Or(l.retry, time.Minute),
		try:        cmp.Or(l.try, 30*time.Second),
		cleanup:    cmp.Or(l.cleanup, CleanupTimeout),
	}
}

// Bucket implements bucket.Store. It is safe for concurrent use.
type Bucket struct {
	client      *s3.Client
	name        string
	prefix      string
	pageSize    *int32
	concurrency int
	limiter     *limiter // nil if not adaptive
	retryer     aws.Retryer
	log         *slog.Logger
	limits      limits
	way         atomic.Value // string
	reprobeAt   atomic.Int64 // when the next probe is due, in Unix nanoseconds; 0 for never
}

var (
	_ bucket.Store   = (*Bucket)(nil)
	_ bucket.Deleter = (*Bucket)(nil)
	_ bucket.Limited = (*Bucket)(nil)
)

// Open returns the bucket and sends no request. The SDK takes credentials, region and
// endpoint from environment, profile and role. An error means a wrong configuration.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	if o.Name == "" {
		return nil, errors.New("the bucket has no name: set MOVIES_BUCKET_NAME")
	}
	cfg, err := awsconfig.Load(ctx)
	if err != nil {
		return nil, err
	}
	b := &Bucket{
		name: o.Name, prefix: o.Prefix, concurrency: max(o.Concurrency, 1),
		log: cmp.Or(o.Logger, slog.Default()), limits: o.limits.withDefaults(),
	}
	b.retryer = newRetryer(b.limits)
	if o.Adaptive {
		b.limiter = newLimiter(b.concurrency)
	}
	if o.PageSize > 0 {
		b.pageSize = aws.Int32(int32(min(o.PageSize, 1000)))
	}
	b.way.Store(WayCompare)
	b.client = s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.UsePathStyle = o.PathStyle
		s.Retryer = b.retryer
		s.HTTPClient = newHTTPClient(cfg.HTTPClient, b.concurrency, b.limits.stall, b.limiter)
		// Many servers reject the checksums that the SDK adds by default.
		s.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		s.APIOptions = append(s.APIOptions, unsignedAcceptEncoding, noteBegin)
	})
	return b, nil
}

// Way returns the way that Delete uses: WayBatch, WaySingle or WayCompare.
func (b *Bucket) Way() string { return b.way.Load().(string) }

// DeleteSize implements bucket.Deleter.
func (b *Bucket) DeleteSize() int {
	if b.Way() == WayBatch {
		return maxBatch
	}
	return 1
}

// Concurrency implements bucket.Limited.
func (b *Bucket) Concurrency() int {
	if b.limiter == nil {
		return b.concurrency
	}
	return b.limiter.current()
}

// Conditional implements bucket.Deleter.
func (b *Bucket) Conditional() bool { return b.Way() != WayCompare }
