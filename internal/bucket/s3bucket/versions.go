package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"jpmovies/internal/bucket"
)

// ErrNotVersioned reports that the bucket keeps no versions.
var ErrNotVersioned = errors.New("the bucket keeps no versions: enable versioning on it, and later losses can be replayed")

// Versions presents the versions of a versioned bucket as the objects of a bucket.Store,
// so that a worker can apply them again: the current ones, and the noncurrent ones that
// deletes and overwrites left. Delete changes nothing in the bucket; it only removes a
// version from later listings. List is for one goroutine, the other methods are safe for
// concurrent use.
//
// A version is listed as key?versionId=id, because several may have one key. Get returns
// the object's own key, which the stamps of its updates contain. Versions with one key and
// one LastModified give equal stamps, of which the later commit wins, so each is listed
// after the older one is done.
type Versions struct {
	bucket       *Bucket
	since, until time.Time
	next         *s3.ListObjectVersionsInput // the page to list; nil after the last one

	mu      sync.Mutex
	pending map[string]version      // by listed key
	last    string                  // listed key of the last version of the last page
	read    map[bucket.Ref][]string // listed keys of pending versions that Get has opened
	gone    int
}

type version struct {
	key, id string
	bucket.Object
	waits bool   // for an older version
	newer string // listed key of the version that waits for this one
}

var _ bucket.Limited = (*Versions)(nil)

// Concurrency implements bucket.Limited.
func (v *Versions) Concurrency() int { return v.bucket.Concurrency() }

// Versions returns the versions with LastModified from since to until, both included; a
// zero time is no bound. ErrNotVersioned if versioning was never enabled.
func (b *Bucket) Versions(ctx context.Context, since, until time.Time) (*Versions, error) {
	out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.name})
	if err != nil {
		return nil, fmt.Errorf("ask bucket %q for its versioning: %w", b.name, classify(err))
	}
	if out.Status == "" {
		return nil, fmt.Errorf("bucket %q: %w", b.name, ErrNotVersioned)
	}
	return &Versions{
		bucket: b, since: since, until: until,
		next:    &s3.ListObjectVersionsInput{Bucket: &b.name, Prefix: &b.prefix, MaxKeys: b.pageSize},
		pending: map[string]version{}, read: map[bucket.Ref][]string{},
	}, nil
}

// Gone returns how many listed versions were not there any more when they were read.
func (v *Versions) Gone() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gone
}

// Waiting returns how many versions wait for an older one of the same second, and one of
// them; 0 before the end of the listing, which alone shows it.
func (v *Versions) Waiting() (n int, example string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next != nil {
		return 0, ""
	}
	for listed, one := range v.pending {
		if one.waits {
			n, example = n+1, listed
		}
	}
	return n, example
}

// List implements bucket.Store. It yields the pending versions of earlier calls, and then
// goes on where the last call ended or failed.
func (v *Versions) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		if page := v.rest(); len(page) > 0 && !yield(page, nil) {
			return
		}
		for v.next != nil {
			out, err := v.page(ctx)
			if err != nil {
				yield(nil, fmt.Errorf("list versions of bucket %q: %w", v.bucket.name, err))
				return
			}
			page := v.add(out.Versions, !aws.ToBool(out.IsTruncated))
			v.next.KeyMarker, v.next.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
			if !aws.ToBool(out.IsTruncated) {
				v.next = nil
			}
			if len(page) > 0 && !yield(page, nil) {
				return
			}
		}
	}
}

// page requests the next page and checks that the response is one, as Bucket.page does.
func (v *Versions) page(ctx context.Context) (*s3.ListObjectVersionsOutput, error) {
	ctx = patiently(ctx)
	out, err := request(func(encoding types.EncodingType) (*s3.ListObjectVersionsOutput, error) {
		asked := *v.next
		asked.EncodingType = encoding
		return v.bucket.client.ListObjectVersions(ctx, &asked)
	}, func(out *s3.ListObjectVersionsOutput) ([]**string, types.EncodingType) {
		keys := []**string{&out.NextKeyMarker}
		for i := range out.Versions {
			keys = append(keys, &out.Versions[i].Key)
		}
		return keys, out.EncodingType
	})
	if err != nil {
		return nil, err
	}
	markers := func(key, id *string) string { return aws.ToString(key) + "\x00" + aws.ToString(id) }
	switch {
	case out.Name == nil && out.IsTruncated == nil:
		return nil, errors.New("the response is not a listing")
	case aws.ToBool(out.IsTruncated) && (out.NextKeyMarker == nil ||
		markers(out.NextKeyMarker, out.NextVersionIdMarker) == markers(v.next.KeyMarker, v.next.VersionIdMarker)):
		return nil, errors.New("the response is truncated but has no new markers")
	}
	return out, nil
}

// add notes the versions of a page that are between since and until, and returns those that
// wait for no other. A listing has the newest version of a key first, so only the next one
// shows whether a version waits; end says that none follows.
func (v *Versions) add(found []types.ObjectVersion, end bool) (page []bucket.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range found {
		at := aws.ToTime(f.LastModified)
		if at.Before(v.since) || !v.until.IsZero() && at.After(v.until) {
			continue
		}
		one := version{key: aws.ToString(f.Key), id: aws.ToString(f.VersionId), waits: true}
		if bucket.Ignored(bucket.Object{Ref: bucket.Ref{Key: one.key}, Size: aws.ToInt64(f.Size)}) {
			continue
		}
		one.Object = bucket.Object{
			Ref:  bucket.Ref{Key: one.key + "?versionId=" + one.id, ETag: strong(aws.ToString(f.ETag))},
			Size: aws.ToInt64(f.Size), LastModified: at,
		}
		// The stamp is of GET's header, which has whole seconds.
		if last := v.pending[v.last]; last.key == one.key && last.LastModified.Truncate(time.Second).Equal(at.Truncate(time.Second)) {
			one.newer = v.last
		} else {
			page = v.free(page, v.last)
		}
		v.pending[one.Key], v.last = one, one.Key
	}
	if end {
		page = v.free(page, v.last)
	}
	return page
}

// free ends the wait of a version, if there is one, and appends it to a page.
func (v *Versions) free(page []bucket.Object, listed string) []bucket.Object {
	one, found := v.pending[listed]
	if !found {
		return page
	}
	one.waits = false
	v.pending[listed] = one
	return append(page, one.Object)
}

// forget removes a version, and ends the wait of the one that waits for it.
func (v *Versions) forget(listed string) {
	newer := v.pending[listed].newer
	delete(v.pending, listed)
	_ = v.free(nil, newer)
}

func (v *Versions) rest() []bucket.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var rest []bucket.Object
	for _, one := range v.pending {
		if !one.waits {
			rest = append(rest, one.Object)
		}
	}
	return rest
}

// Get implements bucket.Store.
func (v *Versions) Get(ctx context.Context, listed string) (bucket.Object, io.ReadCloser, error) {
	v.mu.Lock()
	one, found := v.pending[listed]
	v.mu.Unlock()
	if !found {
		return bucket.Object{}, nil, bucket.ErrNotFound
	}
	object, body, err := v.bucket.get(ctx, one.key, &one.id)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		v.gone++
		v.forget(listed)
	case err == nil && bucket.Ignored(object):
		v.forget(listed)
	case err == nil && !slices.Contains(v.read[object.Ref], listed):
		v.read[object.Ref] = append(v.read[object.Ref], listed)
	}
	return object, body, err
}

// Delete implements bucket.Store. Of several versions with one key and one ETag it forgets
// the oldest: they have the same content, so the newest of them supersedes the others.
func (v *Versions) Delete(_ context.Context, refs []bucket.Ref) []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	errs := make([]error, len(refs))
	for i, ref := range refs {
		keys := v.read[ref]
		if len(keys) == 0 {
			errs[i] = bucket.ErrNotFound
			continue
		}
		oldest := slices.MinFunc(keys, func(a, b string) int { return v.pending[a].LastModified.Compare(v.pending[b].LastModified) })
		v.forget(oldest)
		if v.read[ref] = slices.DeleteFunc(keys, func(key string) bool { return key == oldest }); len(v.read[ref]) == 0 {
			delete(v.read, ref)
		}
	}
	return errs
}
