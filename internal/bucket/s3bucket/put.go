package s3bucket

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // S3 requires MD5
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Put writes an object. It sends Content-MD5: a bucket with object lock rejects objects
// without a checksum (PutObject), and every server understands this one.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	sum := md5.Sum(body) //nolint:gosec // S3 requires MD5
	out, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: aws.String(key), Body: bytes.NewReader(body),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	if err != nil {
		return fmt.Errorf("put %q: %w", key, classify(err))
	}
	if aws.ToString(out.ETag) == "" {
		return fmt.Errorf("put %q: the response lacks an ETag, so it is not S3's", key)
	}
	return nil
}
