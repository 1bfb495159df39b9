package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/bucket"
)

// maxBatch is the number of keys that one DeleteObjects may hold.
const maxBatch = 1000

// Delete implements bucket.Store. Where the server doesn't say so, or WayCompare
// overlooks it, an object that was gone already counts as deleted.
func (b *Bucket) Delete(ctx context.Context, refs []bucket.Ref) []error {
	return b.deleteBy(ctx, b.Way(), refs)
}

func (b *Bucket) deleteBy(ctx context.Context, way string, refs []bucket.Ref) []error {
	errs := make([]error, len(refs))
	for _, round := range rounds(refs) {
		b.deleteRound(ctx, way, refs, round, errs)
	}
	return errs
}

// rounds splits the positions of refs so that no round has a key twice: an
// answer to a bulk request names keys only.
func rounds(refs []bucket.Ref) [][]int {
	var out [][]int
	seen := make(map[string]int, len(refs))
	for i, ref := range refs {
		n := seen[ref.Key]
		seen[ref.Key]++
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// deleteRound deletes the refs at some positions, in parallel requests, and
// writes what became of each to the same position of errs.
func (b *Bucket) deleteRound(ctx context.Context, way string, refs []bucket.Ref, positions []int, errs []error) {
	var batch []int
	var group errgroup.Group
	group.SetLimit(b.concurrency)
	for _, i := range positions {
		if way == WayBatch && refs[i].ETag != "" && fitsXML(refs[i].Key) {
			batch = append(batch, i)
			continue
		}
		group.Go(func() error {
			errs[i] = b.deleteOne(ctx, way, refs[i])
			return nil
		})
	}
	for chunk := range slices.Chunk(batch, maxBatch) {
		group.Go(func() error {
			b.deleteBatch(ctx, refs, chunk, errs)
			return nil
		})
	}
	_ = group.Wait()
}

// fitsXML tells whether XML 1.0 can hold the key. The SDK would replace what
// doesn't fit, and so delete another object.
func fitsXML(key string) bool {
	return strings.IndexFunc(key, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0
}

// deleteBatch tries again what the server was too busy to delete: such errors
// come inside a 200, where the SDK's own retries don't see them.
func (b *Bucket) deleteBatch(ctx context.Context, refs []bucket.Ref, positions []int, errs []error) {
	for attempt := 1; ; attempt++ {
		b.deleteObjects(ctx, refs, positions, errs)
		positions = slices.DeleteFunc(slices.Clone(positions), func(i int) bool {
			var key keyError
			return !errors.As(errs[i], &key) || !b.retryer.IsErrorRetryable(errs[i])
		})
		if len(positions) == 0 || attempt == maxAttempts || !b.pause(ctx, attempt, errs[positions[0]]) {
			return
		}
	}
}

// keyError is what a bulk answer says of one key.
type keyError struct{ smithy.APIError }

func (e keyError) Unwrap() error { return e.APIError }

func (b *Bucket) deleteObjects(ctx context.Context, refs []bucket.Ref, positions []int, errs []error) {
	ids := make([]types.ObjectIdentifier, len(positions))
	for n, i := range positions {
		ids[n] = types.ObjectIdentifier{Key: &refs[i].Key, ETag: &refs[i].ETag}
	}
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &b.name,
		Delete: &types.Delete{Objects: ids},
	})
	answers := map[string]error{}
	if err == nil {
		answers = perKey(out)
	}
	for _, i := range positions {
		answer, mentioned := answers[refs[i].Key]
		switch {
		case err != nil:
			answer = classify(err)
		case !mentioned:
			answer = errors.New("the answer doesn't mention it")
		}
		errs[i] = wrapDelete(refs[i], answer)
	}
}

// perKey returns what a bulk answer says of each key. Where it says both, the
// error counts.
func perKey(out *s3.DeleteObjectsOutput) map[string]error {
	answers := make(map[string]error, len(out.Deleted)+len(out.Errors))
	for _, d := range out.Deleted {
		answers[aws.ToString(d.Key)] = nil
	}
	for _, e := range out.Errors {
		answers[aws.ToString(e.Key)] = classify(keyError{&smithy.GenericAPIError{
			Code: aws.ToString(e.Code), Message: aws.ToString(e.Message),
		}})
	}
	return answers
}

func (b *Bucket) deleteOne(ctx context.Context, way string, ref bucket.Ref) error {
	if ref.ETag == "" {
		return wrapDelete(ref, errors.New("no ETag says which generation"))
	}
	if way != WaySingle {
		return b.compareAndDelete(ctx, ref)
	}
	return wrapDelete(ref, b.deleteObject(ctx, ref.Key, &ref.ETag))
}

func (b *Bucket) compareAndDelete(ctx context.Context, ref bucket.Ref) error {
	etag, err := b.head(ctx, ref.Key)
	if err != nil {
		return err
	}
	if etag != ref.ETag {
		return wrapDelete(ref, bucket.ErrChanged)
	}
	// The condition does no harm where it is ignored, and helps where it isn't.
	err = b.deleteObject(ctx, ref.Key, &ref.ETag)
	if unsupported(err) {
		err = b.deleteObject(ctx, ref.Key, nil)
	}
	return wrapDelete(ref, err)
}

func (b *Bucket) deleteObject(ctx context.Context, key string, ifMatch *string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key, IfMatch: ifMatch})
	return classify(err)
}

func wrapDelete(ref bucket.Ref, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("delete %q: %w", ref.Key, err)
}

// pause waits before the next attempt, and tells whether there should be one.
func (b *Bucket) pause(ctx context.Context, attempt int, err error) bool {
	delay, delayErr := b.retryer.RetryDelay(attempt, err)
	if delayErr != nil {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}
