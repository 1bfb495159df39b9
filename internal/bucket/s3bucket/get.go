package s3bucket

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"jpmovies/internal/bucket"
)

// Get implements bucket.Store.
func (b *Bucket) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, classify(err))
	}
	// Without all three, the object could not be merged, checked or deleted.
	if out.ETag == nil || out.LastModified == nil || out.ContentLength == nil || *out.ContentLength < 0 {
		_ = out.Body.Close()
		return bucket.Object{}, nil, fmt.Errorf("get %q: the answer lacks ETag, Last-Modified or Content-Length", key)
	}
	o := bucket.Object{
		Ref:          bucket.Ref{Key: key, ETag: *out.ETag},
		Size:         *out.ContentLength,
		LastModified: *out.LastModified,
	}
	return o, &body{ReadCloser: out.Body, rest: o.Size}, nil
}

// head returns the ETag of the object as it is now.
func (b *Bucket) head(ctx context.Context, key string) (string, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return "", fmt.Errorf("head %q: %w", key, classify(err))
	}
	return aws.ToString(out.ETag), nil
}

// body fails when it ends too early, whatever the layers below make of that.
type body struct {
	io.ReadCloser
	rest int64 // bytes that must still come
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.rest -= int64(n)
	if err == io.EOF && b.rest != 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
