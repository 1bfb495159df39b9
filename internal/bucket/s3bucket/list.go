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
		b.list(patiently(ctx), b.prefix)(yield)
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
	out, err := request(func(encoding types.EncodingType) (*s3.ListObjectsV2Output, error) {
		asked := *input
		asked.EncodingType = encoding
		return b.client.ListObjectsV2(ctx, &asked)
	}, func(out *s3.ListObjectsV2Output) (keys []**string, encoding types.EncodingType) {
		for i := range out.Contents {
			keys = append(keys, &out.Contents[i].Key)
		}
		return keys, out.EncodingType
	})
	if err != nil {
		return nil, inRegion(err)
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

// request asks for a page and, if it cannot be parsed, again for one with URL-encoded keys
// (encoding-type): XML 1.0 cannot contain some characters that a key may have. Not every page
// is requested so: some servers claim to encode and do not, which breaks keys that contain
// "%". keysOf returns the keys of a page and their encoding.
func request[Page any](ask func(types.EncodingType) (*Page, error), keysOf func(*Page) ([]**string, types.EncodingType)) (*Page, error) {
	out, broken := ask("")
	if _, ok := errors.AsType[*smithy.DeserializationError](broken); !ok || isCut(broken) {
		return out, broken
	}
	out, err := ask(types.EncodingTypeUrl)
	if err != nil {
		return nil, err
	}
	keys, encoding := keysOf(out)
	if encoding != types.EncodingTypeUrl {
		return nil, broken
	}
	for _, key := range keys {
		if *key == nil {
			continue
		}
		plain, err := url.QueryUnescape(**key)
		if err != nil {
			return nil, broken
		}
		*key = &plain
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
