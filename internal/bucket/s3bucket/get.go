package s3bucket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"jpmovies/internal/bucket"
)

// Get implements bucket.Store.
func (b *Bucket) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, classify(err))
	}
	o, err := describe(key, out)
	if err != nil {
		_ = out.Body.Close()
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, err)
	}
	if o.Size < 0 {
		return unsized(o, out.Body)
	}
	return o, &body{ReadCloser: out.Body, ctx: ctx, bucket: b, object: o}, nil
}

// describe returns the object that an answer holds. Without a generation and its
// time, the object could not be deleted or merged.
func describe(key string, out *s3.GetObjectOutput) (bucket.Object, error) {
	if out.ETag == nil || out.LastModified == nil {
		return bucket.Object{}, errors.New("the answer lacks ETag or Last-Modified")
	}
	o := bucket.Object{Ref: bucket.Ref{Key: key, ETag: strong(*out.ETag)}, Size: -1, LastModified: *out.LastModified}
	switch {
	case out.ContentLength != nil && *out.ContentLength >= 0:
		o.Size = *out.ContentLength
	case !endIsProven(out):
		return bucket.Object{}, errors.New("the answer has no Content-Length, and nothing else that proves its end")
	}
	return o, nil
}

// endIsProven tells whether the framing of an answer without Content-Length shows
// a reader when it was cut: chunks do (RFC 9112, section 8), and HTTP/2 streams.
func endIsProven(out *s3.GetObjectOutput) bool {
	response, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && (response.ProtoMajor >= 2 || slices.Contains(response.TransferEncoding, "chunked"))
}

// strong returns the ETag that the server compares. A proxy that may change the
// encoding of an answer marks its ETag as weak, which no condition ever matches
// (RFC 9110, section 8.8.3.2); what the server itself stores is behind the mark.
func strong(etag string) string { return strings.TrimPrefix(etag, "W/") }

// unsized is Get for an object whose size is not told in advance. A look at its
// beginning tells an empty one, which may be a folder marker.
func unsized(o bucket.Object, content io.ReadCloser) (bucket.Object, io.ReadCloser, error) {
	reader := bufio.NewReader(content)
	if _, err := reader.Peek(1); errors.Is(err, io.EOF) {
		o.Size = 0
	}
	return o, struct {
		io.Reader
		io.Closer
	}{reader, content}, nil
}

// head returns the ETag of the object as it is now.
func (b *Bucket) head(ctx context.Context, key string) (string, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return "", fmt.Errorf("head %q: %w", key, classify(err))
	}
	return strong(aws.ToString(out.ETag)), nil
}

// body gives all bytes of an object or fails. An answer that was cut is asked for
// again from there on, as long as the object is still the same generation.
type body struct {
	io.ReadCloser
	ctx    context.Context
	bucket *Bucket
	object bucket.Object
	read   int64 // bytes given
	cut    error // why the answer at hand has ended, or nil
	// tries counts the requests since the last one that gave resumeProgress bytes.
	tries, triesFrom int64
}

// resumeProgress is the number of bytes for which a cut answer does not count as
// a failed one.
const resumeProgress = 1 << 20

func (b *body) Read(p []byte) (int, error) {
	for {
		if b.cut != nil {
			if err := b.resume(); err != nil {
				return 0, err
			}
		}
		n, err := b.ReadCloser.Read(p)
		b.read += int64(n)
		if errors.Is(err, io.EOF) && b.read != b.object.Size {
			err = io.ErrUnexpectedEOF
		}
		if !cutAnswer(err) {
			return n, err
		}
		b.cut = err
		if n > 0 {
			return n, nil
		}
	}
}

// resume asks for the rest of the object.
func (b *body) resume() error {
	if b.read-b.triesFrom >= resumeProgress {
		b.tries, b.triesFrom = 0, b.read
	}
	b.tries++
	if b.tries >= maxAttempts || !b.bucket.pause(b.ctx, int(b.tries), b.cut) {
		return fmt.Errorf("read %q: %w", b.object.Key, b.cut)
	}
	_ = b.Close()
	from := fmt.Sprintf("bytes %d-", b.read)
	out, err := b.bucket.client.GetObject(b.ctx, &s3.GetObjectInput{
		Bucket: &b.bucket.name, Key: &b.object.Key, Range: aws.String(strings.Replace(from, " ", "=", 1)),
	})
	if err != nil {
		return fmt.Errorf("read %q: %w", b.object.Key, classify(err))
	}
	b.ReadCloser, b.cut = out.Body, nil
	if strong(aws.ToString(out.ETag)) != b.object.ETag {
		return fmt.Errorf("read %q: %w", b.object.Key, bucket.ErrChanged)
	}
	if !strings.HasPrefix(aws.ToString(out.ContentRange), from) { // all of it
		if _, b.cut = io.CopyN(io.Discard, b.ReadCloser, b.read); b.cut != nil {
			return b.resumeAgain()
		}
	}
	return nil
}

// resumeAgain is for an answer that was cut before it came to the rest.
func (b *body) resumeAgain() error {
	if errors.Is(b.cut, io.EOF) {
		b.cut = io.ErrUnexpectedEOF
	}
	if !cutAnswer(b.cut) {
		return fmt.Errorf("read %q: %w", b.object.Key, b.cut)
	}
	return b.resume()
}
