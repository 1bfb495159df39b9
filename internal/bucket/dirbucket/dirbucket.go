// Package dirbucket implements bucket.Store on a local folder: each file is an object, and
// its path below the folder, with slashes, is the key.
//
// Objects are regular files, and symbolic links to regular files of the folder. Names that
// begin with a dot are hidden: they are never objects. Deleting a link removes the link and
// not the file.
//
// A file counts as complete when it has not changed for Options.Quiet. A producer that may
// pause for longer must write to a hidden name and rename the file.
package dirbucket

import (
	"cmp"
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

// DefaultQuiet is the time without a change after which a file is read.
const DefaultQuiet = 750 * time.Millisecond

// Options configures a Bucket.
type Options struct {
	// PageSize is the number of objects per listing page; 0 means 1,000.
	PageSize int
	// Quiet is the time without a change after which a file is read; 0 means DefaultQuiet.
	Quiet time.Duration
	// Prefix selects the keys to list; "" selects all. Keys keep their prefix.
	Prefix string
	// Logger receives warnings about skipped files; nil means slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Bucket implements bucket.Store. It is safe for concurrent use.
type Bucket struct {
	dir      string
	prefix   string
	pageSize int
	log      *slog.Logger
	now      func() time.Time
	quiet    quietness
	warned   [skipReasons]atomic.Int64 // files that the last listing skipped, by reason
}

var _ bucket.Store = (*Bucket)(nil)

// Open returns the bucket in a folder. It returns an error if the folder does not exist: a
// mistyped name must not look like an empty bucket.
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
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Bucket{
		dir: dir, prefix: o.Prefix, pageSize: o.PageSize, log: cmp.Or(o.Logger, slog.Default()), now: o.Now,
		quiet: quietness{limit: o.Quiet, now: o.Now, future: map[string]sighting{}},
	}
	root, err := b.root()
	if err != nil {
		return nil, err
	}
	return b, root.Close()
}

// root opens the folder for one operation. A folder that is kept open would look empty after
// it was removed and created again, or mounted over.
func (b *Bucket) root() (*os.Root, error) {
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, fmt.Errorf("bucket folder: %w", err)
	}
	return root, nil
}

// describe returns the object of a file in its present state.
func describe(key string, info fs.FileInfo) bucket.Object {
	return bucket.Object{
		Ref:          bucket.Ref{Key: key, ETag: etag(info)},
		Size:         info.Size(),
		LastModified: info.ModTime(),
	}
}

// etag distinguishes generations by size, time and inode, which survive a rename. It leaves
// out the time of the last status change, because Delete renames the file.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x-%x"`, info.Size(), info.ModTime().UnixNano(), inode(info))
}

// filePath returns the path of an object below the folder; false if no file can have the key.
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

// notFound turns fs.ErrNotExist into bucket.ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bucket.ErrNotFound
	}
	return err
}
