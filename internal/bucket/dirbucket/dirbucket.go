// Package dirbucket is a bucket in a local folder: each file is an object, and
// its path below the folder, with slashes, is the key.
//
// Names that begin with a dot are no objects, nor is anything but regular files and
// symbolic links to them that stay inside the folder. What the deletion of such a
// link removes is the link.
// A file is taken for complete when it has been quiet for a while; a producer
// that may pause for longer should write to a hidden name and rename the file.
package dirbucket

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"jpmovies/internal/bucket"
)

// DefaultQuiet is how long a file must not have changed before it is read.
const DefaultQuiet = 750 * time.Millisecond

// Options says how to use the folder.
type Options struct {
	// PageSize is the number of objects per listing page; 0 means 1,000.
	PageSize int
	// Quiet is how long a file must not have changed; 0 means DefaultQuiet.
	Quiet time.Duration
	// Prefix of the keys that are listed; "" lists all. Keys stay whole.
	Prefix string
	// Logger gets a warning about files that can't be objects; nil means
	// slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Bucket implements bucket.Store.
type Bucket struct {
	dir      string
	prefix   string
	pageSize int
	log      *slog.Logger
	now      func() time.Time
	quiet    *quietness
	warned   [3]atomic.Int64 // how many files the last listing has skipped, by reason
}

var _ bucket.Store = (*Bucket)(nil)

// Open returns the bucket in a folder. It is an error if there is no such
// folder: a mistyped name must not look like an empty bucket.
func Open(dir string, o Options) (*Bucket, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("bucket folder: %w", err)
	}
	if o.PageSize <= 0 {
		o.PageSize = 1000
	}
	if o.Quiet <= 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Bucket{
		dir: dir, prefix: o.Prefix, pageSize: o.PageSize, log: o.Logger, now: o.Now,
		quiet: &quietness{limit: o.Quiet, now: o.Now, future: map[string]sighting{}},
	}
	root, err := b.root()
	if err != nil {
		return nil, err
	}
	return b, root.Close()
}

// root opens the folder anew for each operation, so that one which was removed
// and created again, or mounted, is not taken for an empty one.
func (b *Bucket) root() (*os.Root, error) {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, fmt.Errorf("bucket folder: %w", err)
	}
	return root, nil
}

// describe returns the object that a file is, as it is now.
func (b *Bucket) describe(key string, info fs.FileInfo) bucket.Object {
	return bucket.Object{
		Ref:          bucket.Ref{Key: key, ETag: etag(info)},
		Size:         info.Size(),
		LastModified: info.ModTime(),
	}
}

// etag tells generations apart by all that survives a rename. The time of the
// last status change is not in it, because Delete renames.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x-%x"`, info.Size(), info.ModTime().UnixNano(), inode(info))
}

// filePath returns where the object is, below the root; false if no file can
// have that key.
func filePath(key string) (string, bool) {
	name := filepath.FromSlash(key)
	if !isKey(key) || path.Clean(key) != key || !filepath.IsLocal(name) || filepath.ToSlash(name) != key {
		return "", false
	}
	for element := range strings.SplitSeq(key, "/") {
		if hidden(element) {
			return "", false
		}
	}
	return name, true
}

func isKey(key string) bool {
	return len(key) <= bucket.MaxKey && utf8.ValidString(key) && !strings.Contains(key, "\x00")
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// notFound replaces the system's words for a file that is gone.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bucket.ErrNotFound
	}
	return err
}
