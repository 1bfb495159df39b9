package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"                        //nolint:depguard // limits are taken without our code
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http" //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/config"                     //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/s3"                 //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/s3/types"           //nolint:depguard // see above
	"golang.org/x/sync/errgroup"
)

// s3Variable names the S3 server. The SDK finds the credentials.
const s3Variable = "MOVIES_TEST_S3_ENDPOINT"

// parallel is the number of requests that a worker starts with; mostParallel is its maximum.
const parallel, mostParallel = 64, 512

// store is a bucket through the bare SDK, with the program's settings.
type store struct {
	client         *s3.Client
	name, endpoint string
	parallel       int // requests in flight when it drains
}

func openStore(ctx context.Context, endpoint, name string) (*store, error) {
	if endpoint == "" {
		return nil, errors.New(s3Variable + " is not set: run this by scripts/bench")
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithDefaultRegion("us-east-1"))
	if err != nil {
		return nil, fmt.Errorf("configure S3: %w", err)
	}
	transport := awshttp.NewBuildableClient().GetTransport()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = 2*mostParallel, 0
	transport.DisableCompression = true
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		o.BaseEndpoint = aws.String(endpoint)
		o.UsePathStyle = true
		o.HTTPClient = &http.Client{Transport: transport}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return &store{client, name, endpoint, parallel}, nil
}

// create creates the bucket, or empties an existing one.
func (s *store) create(ctx context.Context) error {
	_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.name})
	var owned *types.BucketAlreadyOwnedByYou
	var exists *types.BucketAlreadyExists
	if err != nil && !errors.As(err, &owned) && !errors.As(err, &exists) {
		return fmt.Errorf("create bucket: %w", err)
	}
	_, err = s.drain(ctx)
	return err
}

// fill puts an object for each line.
func (s *store) fill(ctx context.Context, lines [][]byte) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, line := range lines {
		group.Go(func() error {
			_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &s.name, Key: aws.String(objectKey(i)), Body: bytes.NewReader(line),
			})
			return err
		})
	}
	return group.Wait()
}

func objectKey(i int) string { return fmt.Sprintf("inbox/%08d.json", i) }

// empty reports whether the bucket is empty.
func (s *store) empty(ctx context.Context) (bool, error) {
	page, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.name, MaxKeys: aws.Int32(1)})
	return err == nil && len(page.Contents) == 0, err
}

// drain is the limit: it lists the bucket and at once reads and deletes each object, in
// parallel. The deletes are conditional, as the worker's are.
func (s *store) drain(ctx context.Context) (drained int, err error) { return s.drainBy(ctx, s.consume) }

// drainBy is drain with a function that reads and deletes an object.
func (s *store) drainBy(ctx context.Context, consume func(ctx context.Context, key *string) error) (drained int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.parallel)
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.name, MaxKeys: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return drained, errors.Join(err, group.Wait())
		}
		for _, object := range page.Contents {
			group.Go(func() error { return consume(ctx, object.Key) })
		}
		drained += len(page.Contents)
	}
	return drained, group.Wait()
}

func (s *store) consume(ctx context.Context, key *string) error {
	object, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.name, Key: key})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, object.Body)
	if err := errors.Join(err, object.Body.Close()); err != nil {
		return err
	}
	_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.name, Key: key, IfMatch: object.ETag})
	return err
}

// env returns the environment that selects the bucket.
func (s *store) env() []string {
	return []string{
		"MOVIES_BUCKET_NAME=" + s.name, "MOVIES_BUCKET_PATH_STYLE=true", "AWS_ENDPOINT_URL_S3=" + s.endpoint,
		"AWS_REGION=" + cmp.Or(os.Getenv("AWS_REGION"), "us-east-1"),
	}
}
