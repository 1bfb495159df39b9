package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"              //nolint:depguard // measured without our code
	"github.com/aws/aws-sdk-go-v2/config"           //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/s3"       //nolint:depguard // see above
	"github.com/aws/aws-sdk-go-v2/service/s3/types" //nolint:depguard // see above
	"golang.org/x/sync/errgroup"
)

// put puts the files into the bucket of the server, which it creates; a file's name is its key.
func put(ctx context.Context, endpoint, bucket string, files []string) error {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure S3: %w", err)
	}
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	var owned *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &owned) {
		return fmt.Errorf("create bucket: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for _, name := range files {
		group.Go(func() (err error) {
			f, err := os.Open(name) //nolint:gosec // the caller's file
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(filepath.Base(name)), Body: f})
			return err
		})
	}
	return group.Wait()
}
