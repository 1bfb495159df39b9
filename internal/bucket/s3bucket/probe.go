package s3bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"jpmovies/internal/bucket"
)

// staleProbe is the age from which a probe object counts as left by a killed probe.
const staleProbe = 10 * time.Minute

// Reach returns an error if the server cannot be reached, does not accept the credentials
// or does not have the bucket. It also deletes the objects of killed probes.
func (b *Bucket) Reach(ctx context.Context) error {
	err := b.sweep(ctx)
	if isOutage(err) {
		return fmt.Errorf("reach bucket %q: %w", b.name, err)
	}
	if err != nil {
		b.log.Warn("old probe objects cannot be listed; they stay", "bucket", b.name, "error", err)
	}
	return nil
}

// sweep deletes objects that killed probes left, at most one page of them.
func (b *Bucket) sweep(ctx context.Context) error {
	for page, err := range b.list(ctx, b.prefix+bucket.ProbePrefix) {
		if err != nil {
			return err
		}
		for _, o := range page {
			if time.Since(o.LastModified) > staleProbe {
				b.cleanup(ctx, o.Key)
			}
		}
		break
	}
	return nil
}

// Probe finds the best way to delete that the server is proven to honour, and makes Delete
// use it:
//
//  1. WayBatch and WaySingle are tried at the same time, each on two objects of its own.
//  2. If the server is unavailable, Probe returns an error and changes nothing. The caller
//     should call it again.
//  3. The best proven way is used, else WayCompare. Any other error costs only the way that
//     failed, and a later List probes again.
func (b *Bucket) Probe(ctx context.Context) error {
	ways := [...]string{WayBatch, WaySingle}
	var proofs [len(ways)]bool
	var errs [len(ways)]error
	var tries sync.WaitGroup
	for i, way := range ways {
		tries.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, b.limits.try)
			defer cancel()
			proofs[i], errs[i] = b.try(ctx, way)
		})
	}
	tries.Wait()
	if err := b.outage(ctx, errs[:]); err != nil {
		return fmt.Errorf("probe bucket %q: %w", b.name, err)
	}
	best := WayCompare
	for i := len(ways) - 1; i >= 0; i-- {
		if errs[i] != nil {
			b.logFailedTry(ways[i], errs[i])
		}
		if proofs[i] || errs[i] != nil && b.Way() == ways[i] { // a failed try disproves nothing
			best = ways[i]
		}
	}
	b.use(best, errors.Join(errs[:]...) == nil)
	return nil
}

// reprobePause is the time after which a probe that could not try all ways is repeated.
const reprobePause = 10 * time.Minute

// reprobe probes again if that is due.
func (b *Bucket) reprobe(ctx context.Context) {
	due := b.reprobeAt.Load()
	if due == 0 || time.Now().UnixNano() < due || !b.reprobeAt.CompareAndSwap(due, time.Now().Add(reprobePause).UnixNano()) {
		return
	}
	if err := b.Probe(ctx); err != nil {
		b.log.Warn("probe failed; deletes stay as they are until the next probe", "way", b.Way(), "error", err)
	}
}

// use makes Delete use a way: until the next probe if not all ways could be tried.
func (b *Bucket) use(way string, allTried bool) {
	b.way.Store(way)
	b.reprobeAt.Store(0)
	if !allTried {
		b.reprobeAt.Store(time.Now().Add(reprobePause).UnixNano())
	}
	switch {
	case way != WayCompare:
		b.log.Info("conditional deletes are proven", "bucket", b.name, "way", way)
	case !allTried:
		b.log.Warn("CONDITIONAL DELETES ARE NOT PROVEN: an object overwritten between a HEAD and a DELETE may be lost; a later listing probes again", "bucket", b.name)
	default:
		b.log.Warn("THE SERVER IGNORES CONDITIONS ON DELETES: an object overwritten between a HEAD and a DELETE is lost; "+
			"give each object a new key, or use a server that honours If-Match", "bucket", b.name)
	}
}

// logFailedTry logs why a way could not be tried.
func (b *Bucket) logFailedTry(way string, err error) {
	attrs := []any{"bucket", b.name, "prefix", b.prefix + bucket.ProbePrefix, "way", way, "error", err}
	if isDenied(err) {
		attrs = append(attrs, "missing_right", missingRight(err))
	}
	b.log.Warn("a way of conditional deletes cannot be probed; using one that is proven, or comparing ETags", attrs...)
}

// namedRight finds the missing action in a message of AWS. It may be of another service, such
// as kms:Decrypt.
var namedRight = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)`)

// missingRight returns the IAM action that the denied operation needs.
func missingRight(err error) string {
	if named := namedRight.FindStringSubmatch(err.Error()); named != nil {
		return named[1]
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		switch operation.Operation() {
		case "PutObject":
			return "s3:PutObject"
		case "HeadObject":
			return "s3:GetObject"
		}
	}
	return "s3:DeleteObject"
}

// outage returns the error of a try that every other way would have met too: the server does
// not answer a listing either.
func (b *Bucket) outage(ctx context.Context, errs []error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, err := range errs {
		if !isOutage(err) {
			continue
		}
		_, err = b.page(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(b.prefix + bucket.ProbePrefix), MaxKeys: aws.Int32(1)})
		if isOutage(err) {
			return err
		}
	}
	return nil
}

// try reports whether one way is proven. Responses may lie, so it looks at the bucket:
//
//  1. Put an object twice, and another object once.
//  2. Delete the first by the ETag of its first generation, the other by its ETag.
//  3. The way is proven if the first survives, the other is gone, and both results say so.
func (b *Bucket) try(ctx context.Context, way string) (proven bool, err error) {
	key := b.prefix + bucket.ProbePrefix + rand.Text()
	overwritten, untouched := key+"-overwritten", key+"-untouched"
	defer b.cleanup(ctx, overwritten, untouched)

	var first, second, only bucket.Ref
	var puts errgroup.Group
	puts.Go(func() (err error) {
		only, err = b.putProbe(ctx, untouched, "only generation")
		return err
	})
	puts.Go(func() (err error) {
		if first, err = b.putProbe(ctx, overwritten, "first generation"); err == nil {
			second, err = b.putProbe(ctx, overwritten, "second generation")
		}
		return err
	})
	if err := puts.Wait(); err != nil {
		return false, err
	}
	errs := b.deleteBy(ctx, way, []bucket.Ref{first, only})
	if err := inconclusive(errs); err != nil {
		return false, err
	}
	var survives, remains bool
	var heads errgroup.Group
	heads.Go(func() (err error) { survives, err = b.exists(ctx, overwritten); return err })
	heads.Go(func() (err error) { remains, err = b.exists(ctx, untouched); return err })
	if err := heads.Wait(); err != nil {
		return false, err
	}
	return first.ETag != second.ETag && errors.Is(errs[0], bucket.ErrChanged) && survives && errs[1] == nil && !remains, nil
}

// putProbe writes an object and returns its generation as a reader sees it.
func (b *Bucket) putProbe(ctx context.Context, key, content string) (bucket.Ref, error) {
	if err := b.Put(ctx, key, []byte(content)); err != nil {
		return bucket.Ref{}, err
	}
	etag, err := b.head(ctx, key)
	return bucket.Ref{Key: key, ETag: etag}, err
}

// inconclusive returns the first error that proves nothing about conditions.
func inconclusive(errs []error) error {
	for _, err := range errs {
		conclusive := err == nil || errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound) || isUnsupported(err)
		if !conclusive {
			return err
		}
	}
	return nil
}

func (b *Bucket) exists(ctx context.Context, key string) (bool, error) {
	_, err := b.head(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// CleanupTimeout is how long a probe may delete its objects after it was stopped.
const CleanupTimeout = 3 * time.Second

// cleanup deletes the objects of a probe, also when ctx is done. If it fails, the sweep of a
// later start deletes them.
func (b *Bucket) cleanup(ctx context.Context, keys ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.limits.cleanup)
	defer cancel()
	var deletes sync.WaitGroup
	for _, key := range keys {
		deletes.Go(func() {
			if err := b.deleteObject(ctx, key, nil); err != nil && !errors.Is(err, bucket.ErrNotFound) {
				b.log.Debug("probe object not deleted; a later start deletes it", "key", key, "error", err)
			}
		})
	}
	deletes.Wait()
}
