package s3bucket

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 asks for
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Put writes an object. It sends the checksum that every server understands,
// since a bucket with object lock refuses objects without one.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	sum := md5.Sum(body) //nolint:gosec // what S3 asks for
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: aws.String(key), Body: bytes.NewReader(body),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	if err != nil {
		return fmt.Errorf("put %q: %w", key, classify(err))
	}
	return nil
}
