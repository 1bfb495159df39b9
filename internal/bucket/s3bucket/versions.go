package s3bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

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
// the object's own key, which the stamps of its updates contain.
type Versions struct {
	bucket       *Bucket
	since, until time.Time
	listed       bool // completely

	mu      sync.Mutex
	pending map[string]version      // by listed key
	byRef   map[bucket.Ref][]string // the listed keys
}

type version struct {
	bucket.Object
	id string
}

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
	return &Versions{bucket: b, since: since, until: until, pending: map[string]version{}, byRef: map[bucket.Ref][]string{}}, nil
}

// List implements bucket.Store. After the first complete listing it yields only the
// versions that are still to be applied.
func (v *Versions) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		if v.listed {
			if rest := v.rest(); len(rest) > 0 {
				yield(rest, nil)
			}
			return
		}
		input := &s3.ListObjectVersionsInput{Bucket: &v.bucket.name, Prefix: &v.bucket.prefix, MaxKeys: v.bucket.pageSize}
		for {
			out, err := v.page(ctx, input)
			if err != nil {
				yield(nil, fmt.Errorf("list versions of bucket %q: %w", v.bucket.name, err))
				return
			}
			if page := v.add(out.Versions); len(page) > 0 && !yield(page, nil) {
				return
			}
			if !aws.ToBool(out.IsTruncated) {
				v.listed = true
				return
			}
			input.KeyMarker, input.VersionIdMarker = out.NextKeyMarker, out.NextVersionIdMarker
		}
	}
}

// page requests one page. XML 1.0 cannot contain some characters that a key may have, so a
// page that cannot be parsed is requested with URL-encoded keys (ListObjectVersions,
// encoding-type).
func (v *Versions) page(ctx context.Context, input *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	out, err := v.bucket.client.ListObjectVersions(ctx, input)
	if broken := (*smithy.DeserializationError)(nil); errors.As(err, &broken) && !isCut(err) {
		encoded := *input
		encoded.EncodingType = types.EncodingTypeUrl
		out, err = v.bucket.client.ListObjectVersions(ctx, &encoded)
	}
	if err != nil {
		return nil, err
	}
	if aws.ToBool(out.IsTruncated) && (out.NextKeyMarker == nil || aws.ToString(out.NextKeyMarker) == aws.ToString(input.KeyMarker) &&
		aws.ToString(out.NextVersionIdMarker) == aws.ToString(input.VersionIdMarker)) {
		return nil, errors.New("the response is truncated but has no new markers")
	}
	if out.EncodingType != types.EncodingTypeUrl {
		return out, nil
	}
	for i := range out.Versions {
		key, err := url.QueryUnescape(aws.ToString(out.Versions[i].Key))
		if err != nil {
			return nil, err
		}
		out.Versions[i].Key = &key
	}
	if marker, err := url.QueryUnescape(aws.ToString(out.NextKeyMarker)); err == nil && out.NextKeyMarker != nil {
		out.NextKeyMarker = &marker
	}
	return out, nil
}

// add notes the versions between since and until and returns them as they are listed.
func (v *Versions) add(found []types.ObjectVersion) []bucket.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var page []bucket.Object
	for _, f := range found {
		at := aws.ToTime(f.LastModified)
		if at.Before(v.since) || !v.until.IsZero() && at.After(v.until) {
			continue
		}
		ref := bucket.Ref{Key: aws.ToString(f.Key), ETag: strong(aws.ToString(f.ETag))}
		one := version{bucket.Object{Ref: ref, Size: aws.ToInt64(f.Size), LastModified: at}, aws.ToString(f.VersionId)}
		listed := one.listed()
		v.pending[listed.Key] = one
		v.byRef[ref] = append(v.byRef[ref], listed.Key)
		page = append(page, listed)
	}
	return page
}

// listed returns the version as it is listed.
func (o version) listed() bucket.Object {
	listed := o.Object
	listed.Key += "?versionId=" + o.id
	return listed
}

func (v *Versions) rest() []bucket.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	var rest []bucket.Object
	for _, one := range v.pending {
		rest = append(rest, one.listed())
	}
	return rest
}

// Get implements bucket.Store.
func (v *Versions) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	v.mu.Lock()
	one, found := v.pending[key]
	v.mu.Unlock()
	if !found {
		return bucket.Object{}, nil, bucket.ErrNotFound
	}
	object, body, err := v.bucket.get(ctx, one.Key, &one.id)
	if errors.Is(err, bucket.ErrNotFound) || err == nil && bucket.Ignored(object) {
		v.mu.Lock()
		v.forget(key) // it has expired, or is never input
		v.mu.Unlock()
	}
	return object, body, err
}

// Delete implements bucket.Store. Of several versions with one key and one ETag it forgets
// the oldest: they have the same content, so the newest of them supersedes the others.
func (v *Versions) Delete(_ context.Context, refs []bucket.Ref) []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, ref := range refs {
		if keys := v.byRef[ref]; len(keys) > 0 {
			v.forget(slices.MinFunc(keys, func(a, b string) int { return v.pending[a].LastModified.Compare(v.pending[b].LastModified) }))
		}
	}
	return make([]error, len(refs))
}

func (v *Versions) forget(listed string) {
	ref := v.pending[listed].Ref
	delete(v.pending, listed)
	v.byRef[ref] = slices.DeleteFunc(v.byRef[ref], func(key string) bool { return key == listed })
	if len(v.byRef[ref]) == 0 {
		delete(v.byRef, ref)
	}
}
