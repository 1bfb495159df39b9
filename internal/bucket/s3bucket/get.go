package s3bucket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"jpmovies/internal/bucket"
)

// Get implements bucket.Store.
func (b *Bucket) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	return b.get(ctx, key, nil)
}

// get opens a version of an object, or the current one if version is nil.
func (b *Bucket) get(ctx context.Context, key string, version *string) (bucket.Object, io.ReadCloser, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, VersionId: version})
	if err != nil {
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, classify(err))
	}
	o, err := describe(key, out)
	if err != nil {
		_ = out.Body.Close()
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, err)
	}
	if o.Size < 0 {
		return withoutSize(o, out.Body)
	}
	return o, &resumingBody{ctx: ctx, bucket: b, object: o, version: version, response: out.Body}, nil
}

// describe returns the object of a response. It returns an error if the response lacks
// what names the generation, its time or its end.
func describe(key string, out *s3.GetObjectOutput) (bucket.Object, error) {
	switch {
	case out.ETag == nil || out.LastModified == nil:
		return bucket.Object{}, errors.New("the response lacks ETag or Last-Modified")
	case out.ContentRange != nil && !isWhole(*out.ContentRange):
		return bucket.Object{}, fmt.Errorf("the response has only %s, but the whole object was requested", *out.ContentRange)
	}
	o := bucket.Object{Ref: bucket.Ref{Key: key, ETag: strong(*out.ETag)}, Size: -1, LastModified: *out.LastModified}
	switch {
	case out.ContentLength != nil && *out.ContentLength >= 0:
		o.Size = *out.ContentLength
	case !endIsMarked(out):
		return bucket.Object{}, errors.New("the response has no Content-Length, and nothing else that marks its end")
	}
	return o, nil
}

// isWhole reports whether a Content-Range names all bytes (RFC 9110, section 14.4).
func isWhole(contentRange string) bool {
	var from, to, size int64
	n, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &from, &to, &size)
	return n == 3 && err == nil && from == 0 && to == size-1
}

// endIsMarked reports whether a reader can see that a response without Content-Length was
// cut: chunks mark the end (RFC 9112, section 8).
func endIsMarked(out *s3.GetObjectOutput) bool {
	response, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && slices.Contains(response.TransferEncoding, "chunked")
}

// strong returns the ETag without the mark of a weak one. A proxy that may change the
// encoding of a response adds the mark, and then no condition matches (RFC 9110, section
// 8.8.3.2). The server stores the ETag without it.
func strong(etag string) string { return strings.TrimPrefix(etag, "W/") }

// withoutSize returns an object whose size the response does not tell. It reads one byte
// ahead to recognise an empty object, which may be a folder marker.
func withoutSize(o bucket.Object, content io.ReadCloser) (bucket.Object, io.ReadCloser, error) {
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

// resumeProgress is the number of bytes after which a cut response does not count as a
// failed attempt.
const resumeProgress = 1 << 20

// resumingBody reads all bytes of an object or fails. If the response breaks off, in
// whatever way, it requests the rest by a range (RFC 9110, section 14.2), as long as the
// object is the same generation: an object that takes longer than a connection lives would
// never end else.
type resumingBody struct {
	ctx      context.Context
	bucket   *Bucket
	object   bucket.Object
	version  *string // nil for the current one
	response io.ReadCloser
	read     int64 // bytes returned to the caller
	cut      error // why the current response ended too early, or nil
	// attempts counts the requests since the last resumeProgress bytes, which began at
	// attemptsFrom; the first of them was at attemptsSince.
	attempts, attemptsFrom int64
	attemptsSince          time.Time
}

func (b *resumingBody) Read(p []byte) (int, error) {
	for {
		for b.cut != nil {
			if err := b.resume(); err != nil {
				return 0, fmt.Errorf("read %q: %w", b.object.Key, err)
			}
		}
		n, err := b.response.Read(p)
		b.read += int64(n)
		if errors.Is(err, io.EOF) && b.read != b.object.Size {
			err = io.ErrUnexpectedEOF
		}
		if err == nil || errors.Is(err, io.EOF) || b.ctx.Err() != nil {
			return n, err
		}
		b.cut = err
		if n > 0 {
			return n, nil
		}
	}
}

func (b *resumingBody) Close() error { return b.response.Close() }

// resume requests the rest of the object. It leaves b.cut set if that response was cut
// before the rest began.
func (b *resumingBody) resume() error {
	if b.read-b.attemptsFrom >= resumeProgress {
		b.attempts, b.attemptsFrom = 0, b.read
	}
	if b.attempts++; b.attempts == 1 {
		b.attemptsSince = time.Now()
	}
	if b.attempts >= maxAttempts || time.Since(b.attemptsSince) > b.bucket.limits.retry || !b.bucket.pause(b.ctx, int(b.attempts), b.cut) {
		return b.cut
	}
	_ = b.response.Close()
	if b.read == b.object.Size { // only the end was cut off
		b.response, b.cut = http.NoBody, nil
		return nil
	}
	out, err := b.bucket.client.GetObject(b.ctx, &s3.GetObjectInput{
		Bucket: &b.bucket.name, Key: &b.object.Key, VersionId: b.version, Range: aws.String(fmt.Sprintf("bytes=%d-", b.read)),
	})
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%w: %w", bucket.ErrChanged, err) // by something shorter
	}
	if err != nil {
		return classify(err)
	}
	b.response, b.cut = out.Body, nil
	if strong(aws.ToString(out.ETag)) != b.object.ETag {
		return bucket.ErrChanged
	}
	if strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", b.read)) {
		return nil
	}
	// The server ignores ranges and sends the whole object: skip what was read.
	_, err = io.CopyN(io.Discard, b.response, b.read)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	b.cut = err
	return b.ctx.Err()
}
