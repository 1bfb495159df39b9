package s3bucket

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/smithy-go"

	"jpmovies/internal/bucket"
)

const (
	// staleProbe is the age at which a probe object must have been left by a
	// probe that was killed.
	staleProbe = 10 * time.Minute
	// cleanupLimit bounds the removal of the probe's own objects, which also
	// happens when the caller has given up.
	cleanupLimit = 10 * time.Second
)

// Probe finds the best way to delete that the server is proven to obey, and
// makes Delete use it. Where a right is missing it says which one, and stays
// with WayCompare. An error means that the server could not be asked: Delete
// goes on as before, and Probe should be tried again.
func (b *Bucket) Probe(ctx context.Context) error {
	if err := b.sweep(ctx); err != nil && !denied(err) {
		return fmt.Errorf("probe bucket %q: %w", b.name, err)
	}
	// Both at once, since each takes several answers of the server.
	ways := []string{WayBatch, WaySingle}
	var proofs [2]bool
	var errs [2]error
	sideBySide(len(ways), func(i int) { proofs[i], errs[i] = b.try(ctx, ways[i]) })
	for i, way := range ways {
		proven, err := proofs[i], errs[i]
		switch {
		case denied(err):
			b.log.Warn("no right to try out conditional deletes: an object overwritten between a HEAD and a DELETE may be lost",
				"bucket", b.name, "prefix", b.prefix+bucket.ProbePrefix, "missing_right", missingRight(err), "error", err)
			b.way.Store(WayCompare)
			return nil
		case err != nil:
			return fmt.Errorf("probe bucket %q: %w", b.name, err)
		case proven:
			b.log.Info("conditional deletes are proven", "bucket", b.name, "way", way)
			b.way.Store(way)
			return nil
		}
	}
	b.log.Warn("THE SERVER IGNORES CONDITIONS ON DELETES: an object overwritten between a HEAD and a DELETE is lost; "+
		"give each object a new key, or use a server that obeys If-Match", "bucket", b.name)
	b.way.Store(WayCompare)
	return nil
}

// try deletes two objects as Delete would: one by the ETag of the generation
// before, one by its own. It looks what is left, because answers may lie.
func (b *Bucket) try(ctx context.Context, way string) (bool, error) {
	key := b.prefix + bucket.ProbePrefix + rand.Text()
	overwritten, untouched := key+"-overwritten", key+"-untouched"
	defer b.cleanup(ctx, overwritten, untouched)

	var before, after, current bucket.Ref
	var failed [2]error
	sideBySide(len(failed), func(i int) {
		if i == 1 {
			current, failed[i] = b.plant(ctx, untouched, "only generation")
			return
		}
		if before, failed[i] = b.plant(ctx, overwritten, "first generation"); failed[i] == nil {
			after, failed[i] = b.plant(ctx, overwritten, "second generation")
		}
	})
	if err := cmp.Or(failed[0], failed[1]); err != nil {
		return false, err
	}
	errs := b.deleteBy(ctx, way, []bucket.Ref{before, current})
	if err := unclear(errs); err != nil {
		return false, err
	}
	var there [2]bool
	sideBySide(len(there), func(i int) { there[i], failed[i] = b.exists(ctx, []string{overwritten, untouched}[i]) })
	if err := cmp.Or(failed[0], failed[1]); err != nil {
		return false, err
	}
	survives, remains := there[0], there[1]
	return before.ETag != after.ETag && errors.Is(errs[0], bucket.ErrChanged) && survives && errs[1] == nil && !remains, nil
}

// plant writes an object and names its generation as a reader would see it.
func (b *Bucket) plant(ctx context.Context, key, content string) (bucket.Ref, error) {
	if err := b.Put(ctx, key, []byte(content)); err != nil {
		return bucket.Ref{}, err
	}
	etag, err := b.head(ctx, key)
	return bucket.Ref{Key: key, ETag: etag}, err
}

// unclear returns the first error that says nothing about conditions.
func unclear(errs []error) error {
	for _, err := range errs {
		known := err == nil || errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound) || unsupported(err)
		if !known {
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

// cleanup removes what a probe has left, as far as that works: a later probe
// sweeps the rest.
func (b *Bucket) cleanup(ctx context.Context, keys ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	sideBySide(len(keys), func(i int) {
		if err := b.deleteObject(ctx, keys[i], nil); err != nil && !errors.Is(err, bucket.ErrNotFound) {
			b.log.Debug("probe object stays", "key", keys[i], "error", err)
		}
	})
}

// sideBySide runs do for 0 to n-1 at the same time.
func sideBySide(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// sweep removes what killed probes have left, at most one page of it.
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

// missingRight names the right of S3 that would have allowed the operation.
func missingRight(err error) string {
	var operation *smithy.OperationError
	if !errors.As(err, &operation) {
		return "s3:DeleteObject"
	}
	switch operation.Operation() {
	case "PutObject":
		return "s3:PutObject"
	case "HeadObject":
		return "s3:GetObject"
	}
	return "s3:DeleteObject"
}
