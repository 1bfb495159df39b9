package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/bucket"
)

// maxBatch is the number of keys that one request may delete (DeleteObjects).
const maxBatch = 1000

// Delete implements bucket.Store. If the server does not report that an object was gone
// already, the object counts as deleted.
func (b *Bucket) Delete(ctx context.Context, refs []bucket.Ref) []error {
	return b.deleteBy(ctx, b.Way(), refs)
}

// deletion is one object to delete, and its result.
type deletion struct {
	ref bucket.Ref
	err error
}

func (b *Bucket) deleteBy(ctx context.Context, way string, refs []bucket.Ref) []error {
	deletions := make([]deletion, len(refs))
	for i, ref := range refs {
		deletions[i].ref = ref
	}
	for _, round := range rounds(deletions) {
		b.deleteRound(ctx, way, round)
	}
	errs := make([]error, len(refs))
	for i, d := range deletions {
		if d.err != nil {
			errs[i] = fmt.Errorf("delete %q: %w", d.ref.Key, d.err)
		}
	}
	return errs
}

// rounds groups deletions so that no group has a key twice: the response to DeleteObjects
// names keys only.
func rounds(deletions []deletion) [][]*deletion {
	var out [][]*deletion
	seen := make(map[string]int, len(deletions))
	for i := range deletions {
		d := &deletions[i]
		n := seen[d.ref.Key]
		seen[d.ref.Key]++
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], d)
	}
	return out
}

// deleteRound deletes objects in parallel requests.
func (b *Bucket) deleteRound(ctx context.Context, way string, round []*deletion) {
	var batch []*deletion
	var group errgroup.Group
	group.SetLimit(b.Concurrency())
	for _, d := range round {
		if way == WayBatch && d.ref.ETag != "" && fitsXML(d.ref.Key) {
			batch = append(batch, d)
			continue
		}
		group.Go(func() error {
			d.err = b.deleteOne(ctx, way, d.ref)
			return nil
		})
	}
	for chunk := range slices.Chunk(batch, maxBatch) {
		group.Go(func() error {
			b.deleteBatch(ctx, chunk)
			return nil
		})
	}
	_ = group.Wait()
}

// fitsXML reports whether XML 1.0 can contain the key (section 2.2, Char). The SDK would
// replace other characters, and so delete another object.
func fitsXML(key string) bool {
	return utf8.ValidString(key) && strings.IndexFunc(key, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0
}

// maxHalves is how many requests may follow one that was refused: enough to find two keys.
const maxHalves = 40

// deleteBatch deletes the objects of one request. What the server, or a firewall before it,
// refuses as a whole may be refused for one key, so it is sent again in halves.
func (b *Bucket) deleteBatch(ctx context.Context, batch []*deletion) {
	left := maxHalves
	var half func([]*deletion)
	half = func(batch []*deletion) {
		refused := b.deletePatiently(ctx, batch)
		if n := len(refused); n > 1 && left > 0 {
			left -= 2
			half(refused[:n/2])
			half(refused[n/2:])
		}
	}
	half(batch)
}

// deletePatiently sends DeleteObjects, and again for the keys that the server was too busy to
// delete: such errors come inside a 200, where the SDK does not see them. It returns the
// objects of a request that the server will never do.
func (b *Bucket) deletePatiently(ctx context.Context, batch []*deletion) (refused []*deletion) {
	for attempt := 1; ; attempt++ {
		switch err := b.deleteObjects(ctx, batch); {
		case err == nil:
		case isRefused(err):
			return batch
		default:
			return nil
		}
		batch = slices.DeleteFunc(slices.Clone(batch), func(d *deletion) bool {
			var key keyError
			return !errors.As(d.err, &key) || !b.retryer.IsErrorRetryable(d.err)
		})
		if len(batch) == 0 || attempt == maxAttempts || !b.pause(ctx, attempt, batch[0].err) {
			return nil
		}
	}
}

// keyError is the error of one key in a response to DeleteObjects.
type keyError struct{ smithy.APIError }

func (e keyError) Unwrap() error { return e.APIError }

// deleteObjects sends one request and sets the result of each object. The error is that of the
// request.
func (b *Bucket) deleteObjects(ctx context.Context, batch []*deletion) error {
	ids := make([]types.ObjectIdentifier, len(batch))
	for i, d := range batch {
		ids[i] = types.ObjectIdentifier{Key: &d.ref.Key, ETag: &d.ref.ETag}
	}
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b.name, Delete: &types.Delete{Objects: ids}})
	if err != nil {
		for _, d := range batch {
			d.err = classifyDelete(err)
		}
		return err
	}
	results := resultsByKey(out)
	for _, d := range batch {
		result, mentioned := results[d.ref.Key]
		if !mentioned {
			result = errors.New("the response does not mention the key")
		}
		d.err = result
	}
	return nil
}

// resultsByKey returns the result of each key in a response to DeleteObjects. If a key is
// both deleted and failed, the error counts.
func resultsByKey(out *s3.DeleteObjectsOutput) map[string]error {
	results := make(map[string]error, len(out.Deleted)+len(out.Errors))
	for _, d := range out.Deleted {
		results[aws.ToString(d.Key)] = nil
	}
	for _, e := range out.Errors {
		results[aws.ToString(e.Key)] = classifyDelete(keyError{&smithy.GenericAPIError{
			Code: aws.ToString(e.Code), Message: aws.ToString(e.Message),
		}})
	}
	return results
}

func (b *Bucket) deleteOne(ctx context.Context, way string, ref bucket.Ref) error {
	switch {
	case ref.ETag == "":
		return errors.New("no ETag names the generation to delete")
	case way == WaySingle:
		return b.deleteObject(ctx, ref.Key, &ref.ETag)
	}
	// WayBatch proves nothing about a single delete, which an odd key needs.
	return b.compareAndDelete(ctx, ref)
}

// compareAndDelete compares again before each attempt: after an answer that was lost, the key
// may have a new object.
func (b *Bucket) compareAndDelete(ctx context.Context, ref bucket.Ref) error {
	// The condition is harmless if the server ignores it, and helps if it does not.
	condition := &ref.ETag
	once := func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
	for attempt, begun := 1, time.Now(); ; attempt++ {
		etag, err := b.head(ctx, ref.Key)
		if err != nil {
			return err
		}
		if etag != ref.ETag {
			return bucket.ErrChanged
		}
		err = b.deleteObject(ctx, ref.Key, condition, once)
		switch {
		case condition != nil && isUnsupported(err):
			condition = nil
		case err == nil, !b.retryer.IsErrorRetryable(err), attempt == maxAttempts, time.Since(begun) > b.limits.retry, !b.pause(ctx, attempt, err):
			return err
		}
	}
}

func (b *Bucket) deleteObject(ctx context.Context, key string, ifMatch *string, options ...func(*s3.Options)) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key, IfMatch: ifMatch}, options...)
	return classifyDelete(err)
}
