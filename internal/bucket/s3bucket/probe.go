package s3bucket

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
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

// Reach tells whether the server can be reached, knows us and has the bucket, and
// removes what killed probes have left.
func (b *Bucket) Reach(ctx context.Context) error {
	err := b.sweep(ctx)
	if hopeless(err) {
		return fmt.Errorf("reach bucket %q: %w", b.name, err)
	}
	if err != nil {
		b.log.Warn("bucket cannot be listed to remove old probe objects", "bucket", b.name, "error", err)
	}
	return nil
}

// Probe finds the best way to delete that the server is proven to obey, and
// makes Delete use it. An error means that the server cannot be reached, does not
// know us or does not have the bucket: Delete goes on as before, and Probe should
// be tried again. Any other failure costs only the way that was being tried, and
// List tries that again from time to time.
func (b *Bucket) Probe(ctx context.Context) error {
	// Both at once, since each takes several answers of the server.
	ways := []string{WayBatch, WaySingle}
	var proofs [2]bool
	var errs [2]error
	sideBySide(len(ways), func(i int) { proofs[i], errs[i] = b.tryInTime(ctx, ways[i]) })
	if err := b.outage(ctx, errs[:]); err != nil {
		return fmt.Errorf("probe bucket %q: %w", b.name, err)
	}
	best := WayCompare
	for i := len(ways) - 1; i >= 0; i-- {
		if errs[i] != nil {
			b.tell(ways[i], errs[i])
		}
		if proofs[i] {
			best = ways[i]
		}
	}
	b.choose(best, errors.Join(errs[:]...) == nil)
	return nil
}

// choose makes Delete use a way, until the next probe if not every way was judged.
func (b *Bucket) choose(way string, judged bool) {
	b.way.Store(way)
	b.probes.plan(!judged)
	switch {
	case way != WayCompare:
		b.log.Info("conditional deletes are proven", "bucket", b.name, "way", way)
	case !judged:
		b.log.Warn("CONDITIONAL DELETES ARE NOT PROVEN: an object overwritten between a HEAD and a DELETE may be lost", "bucket", b.name)
	default:
		b.log.Warn("THE SERVER IGNORES CONDITIONS ON DELETES: an object overwritten between a HEAD and a DELETE is lost; "+
			"give each object a new key, or use a server that obeys If-Match", "bucket", b.name)
	}
}

// tell says why a way could not be tried out.
func (b *Bucket) tell(way string, err error) {
	attrs := []any{"bucket", b.name, "prefix", b.prefix + bucket.ProbePrefix, "way", way, "error", err}
	if denied(err) {
		attrs = append(attrs, "missing_right", missingRight(err))
	}
	b.log.Warn("a way to delete conditionally cannot be tried out; the next safer one is used", attrs...)
}

// outage returns the error of a try that no other way would have escaped. One
// request without an answer is none as long as a listing gets one.
func (b *Bucket) outage(ctx context.Context, errs []error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, err := range errs {
		if !hopeless(err) {
			continue
		}
		if status(err) != 0 {
			return err
		}
		_, err = b.page(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(b.prefix + bucket.ProbePrefix), MaxKeys: aws.Int32(1)})
		if hopeless(err) {
			return err
		}
	}
	return nil
}

const (
	// tryLimit is how long a way may take to be tried out.
	tryLimit = 30 * time.Second
	// A probe with an unclear result is repeated after reprobeFirst, and then more
	// and more seldom up to reprobeLast.
	reprobeFirst = 10 * time.Minute
	reprobeLast  = 24 * time.Hour
)

func (b *Bucket) tryInTime(ctx context.Context, way string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, b.tryLimit)
	defer cancel()
	return b.try(ctx, way)
}

// probes plans the next probe.
type probes struct {
	mu    sync.Mutex
	pause time.Duration
	next  time.Time // zero: none
}

func (p *probes) plan(again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !again {
		p.pause, p.next = 0, time.Time{}
		return
	}
	p.pause = min(max(2*p.pause, reprobeFirst), reprobeLast)
	p.next = time.Now().Add(p.pause)
}

// due tells once whether it is time for another probe.
func (p *probes) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.IsZero() || time.Now().Before(p.next) {
		return false
	}
	p.next = time.Now().Add(p.pause)
	return true
}

// reprobe repeats a probe whose result was unclear, when it is time.
func (b *Bucket) reprobe(ctx context.Context) {
	if !b.probes.due() {
		return
	}
	if err := b.Probe(ctx); err != nil {
		b.log.Warn("conditional deletes cannot be tried out now", "error", err)
	}
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.cleanupLimit)
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
