package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"jpmovies/internal/bucket"
)

// List implements bucket.Store.
func (b *Bucket) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		b.reprobe(ctx)
		b.list(ctx, b.prefix)(yield)
	}
}

func (b *Bucket) list(ctx context.Context, prefix string) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		input := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, MaxKeys: b.pageSize}
		for {
			out, err := b.page(ctx, input)
			if err != nil {
				yield(nil, fmt.Errorf("list bucket %q: %w", b.name, err))
				return
			}
			if !yield(objects(out.Contents), nil) || !aws.ToBool(out.IsTruncated) {
				return
			}
			input.ContinuationToken = out.NextContinuationToken
		}
	}
}

// page requests one page and checks that the response is one: an odd response taken for the
// end of the listing would make a full bucket look empty.
func (b *Bucket) page(ctx context.Context, input *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	out, err := b.client.ListObjectsV2(ctx, input)
	if broken := (*smithy.DeserializationError)(nil); errors.As(err, &broken) && !isCut(err) {
		out, err = b.encodedPage(ctx, input, err)
	}
	if err != nil {
		return nil, err
	}
	next := out.NextContinuationToken
	switch {
	case out.Name == nil && out.IsTruncated == nil:
		return nil, errors.New("the response is not a listing")
	case aws.ToBool(out.IsTruncated) && (next == nil || aws.ToString(input.ContinuationToken) == *next):
		return nil, errors.New("the response is truncated but has no new continuation token")
	}
	return out, nil
}

// encodedPage requests a page again with URL-encoded keys (ListObjectsV2, encoding-type).
// XML 1.0 cannot contain some characters that a key may have. Not every page is requested
// so: some servers claim to encode and do not, which breaks keys that contain "%".
func (b *Bucket) encodedPage(ctx context.Context, input *s3.ListObjectsV2Input, broken error) (*s3.ListObjectsV2Output, error) {
	encoded := *input
	encoded.EncodingType = types.EncodingTypeUrl
	out, err := b.client.ListObjectsV2(ctx, &encoded)
	if err != nil {
		return nil, err
	}
	if out.EncodingType != types.EncodingTypeUrl {
		return nil, broken
	}
	for i := range out.Contents {
		key, err := url.QueryUnescape(aws.ToString(out.Contents[i].Key))
		if err != nil {
			return nil, broken
		}
		out.Contents[i].Key = &key
	}
	return out, nil
}

func objects(contents []types.Object) []bucket.Object {
	page := make([]bucket.Object, len(contents))
	for i, o := range contents {
		page[i] = bucket.Object{
			Ref:          bucket.Ref{Key: aws.ToString(o.Key), ETag: strong(aws.ToString(o.ETag))},
			Size:         aws.ToInt64(o.Size),
			LastModified: aws.ToTime(o.LastModified),
		}
	}
	return page
}

// CheckPrefix logs a warning if no object has the prefix but some have another spelling of it.
func (b *Bucket) CheckPrefix(ctx context.Context) error {
	other, err := bucket.OtherSpelling(b.prefix, func(prefix string) (bool, error) {
		out, err := b.page(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, MaxKeys: aws.Int32(1)})
		return err == nil && len(out.Contents) > 0, err
	})
	if err != nil {
		return fmt.Errorf("list bucket %q: %w", b.name, err)
	}
	if other != "" {
		b.log.Warn("no object has the prefix, but some have another spelling of it; set MOVIES_BUCKET_PREFIX to that if it is meant",
			"bucket", b.name, "prefix", b.prefix, "other", other)
	}
	return nil
}
