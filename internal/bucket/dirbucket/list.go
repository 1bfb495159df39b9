package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"jpmovies/internal/bucket"
)

// errStop ends a walk whose reader wants no more pages.
var errStop = errors.New("stop")

// List implements bucket.Store. A subfolder that can't be read is an error, but
// only after everything else has been listed.
func (b *Bucket) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		root, err := b.root()
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = root.Close() }()
		w := &walk{bucket: b, root: root, yield: yield}
		if err := w.run(ctx); err != nil && !errors.Is(err, errStop) {
			yield(nil, fmt.Errorf("list bucket folder: %w", err))
		}
	}
}

// walk is one listing. It holds one page and the names of the folders still to
// be read, whatever the number of files.
type walk struct {
	bucket *Bucket
	root   *os.Root
	yield  func([]bucket.Object, error) bool

	page    []bucket.Object
	folders []string
	skipped int
	example string // one of the files skipped
}

func (w *walk) run(ctx context.Context) error {
	start := w.bucket.now()
	var failed error
	w.folders = []string{"."}
	for len(w.folders) > 0 {
		last := len(w.folders) - 1
		folder := w.folders[last]
		w.folders = w.folders[:last]
		err := w.folder(ctx, folder)
		if errors.Is(err, errStop) || ctx.Err() != nil {
			return err
		}
		// A subfolder may go while we walk; the bucket itself may not.
		if errors.Is(err, fs.ErrNotExist) && folder != "." {
			err = nil
		}
		if failed == nil {
			failed = err
		}
	}
	if failed == nil {
		w.bucket.quiet.forget(start)
	}
	w.warn()
	return errors.Join(w.flush(), failed)
}

// folder lists the files of one folder and notes its subfolders.
func (w *walk) folder(ctx context.Context, name string) error {
	dir, err := w.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(w.bucket.pageSize)
		for _, entry := range entries {
			if err := w.entry(path.Join(filepath.ToSlash(name), entry.Name()), entry); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) entry(key string, entry fs.DirEntry) error {
	switch {
	case strings.HasPrefix(entry.Name(), asidePrefix) && entry.IsDir():
		w.bucket.restore(w.root, filepath.FromSlash(key))
		return nil
	case hidden(entry.Name()):
		return nil
	case entry.IsDir():
		below := key + "/"
		if strings.HasPrefix(below, w.bucket.prefix) || strings.HasPrefix(w.bucket.prefix, below) {
			w.folders = append(w.folders, filepath.FromSlash(key))
		}
		return nil
	case !entry.Type().IsRegular() || !strings.HasPrefix(key, w.bucket.prefix):
		return nil
	case !isKey(key):
		w.skipped++
		w.example = key
		return nil
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	o := w.bucket.describe(key, info)
	o.Settling = w.bucket.quiet.settling(key, info)
	w.page = append(w.page, o)
	if len(w.page) < w.bucket.pageSize {
		return nil
	}
	return w.flush()
}

func (w *walk) flush() error {
	page := w.page
	w.page = nil
	if len(page) > 0 && !w.yield(page, nil) {
		return errStop
	}
	return nil
}

func (w *walk) warn() {
	if w.skipped > 0 {
		w.bucket.log.Warn("files were left alone, because a key must be UTF-8 and not longer than 1,024 bytes",
			"files", w.skipped, "example", w.example)
	}
}
