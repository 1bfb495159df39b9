package dirbucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"jpmovies/internal/bucket"
)

// errStop ends a walk whose caller wants no more pages.
var errStop = errors.New("stop")

// List implements bucket.Store. An unreadable subfolder is an error, which List yields after
// everything else.
func (b *Bucket) List(ctx context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		start := b.now()
		w := &walk{bucket: b, prefix: b.prefix, pageSize: b.pageSize, yield: yield}
		err := w.run(ctx)
		if errors.Is(err, errStop) {
			return
		}
		b.warn(w.skipped)
		if err == nil || errors.Is(err, bucket.ErrPartial) {
			b.quiet.forget(start)
		}
		if err != nil {
			yield(nil, fmt.Errorf("list bucket folder: %w", err))
		}
	}
}

// walk is one listing. It holds one page of objects, and of each folder on the path to the
// present one a page of names and an open file, however many files and folders there are.
type walk struct {
	bucket   *Bucket
	prefix   string
	pageSize int
	yield    func([]bucket.Object, error) bool

	root     *os.Root
	page     []bucket.Object
	followed map[string]bool // folders that links led to
	skipped  [skipReasons]skipped
	missed   error // the first of a file or a subfolder that cannot be read
}

// The reasons to skip a file.
const (
	notAKey = iota
	badLink
	notRegular
	skipReasons
)

// skipped counts the files that were skipped for one reason.
type skipped struct {
	files   int
	example string
}

func (w *walk) skip(reason int, key string) {
	w.skipped[reason].files++
	w.skipped[reason].example = strings.Trim(strconv.QuoteToGraphic(key), `"`) // a log has only UTF-8
}

// warn logs the skipped files, again only when their number changes.
func (b *Bucket) warn(all [skipReasons]skipped) {
	for reason, text := range [skipReasons]string{
		notAKey:    "files skipped: their keys are not UTF-8 or longer than 1,024 bytes; rename them",
		badLink:    "symbolic links skipped: they lead out of the folder or to no file",
		notRegular: "files skipped: they are not regular files",
	} {
		s := all[reason]
		if b.warned[reason].Swap(int64(s.files)) != int64(s.files) && s.files > 0 {
			b.log.Warn(text, "files", s.files, "example", s.example)
		}
	}
}

// run walks over the folder and yields its objects.
func (w *walk) run(ctx context.Context) error {
	var err error
	if w.root, err = w.bucket.root(); err != nil {
		return err
	}
	defer func() { _ = w.root.Close() }()
	w.followed = make(map[string]bool)
	err = w.folder(ctx, ".", ".")
	if errors.Is(err, errStop) || ctx.Err() != nil {
		return err
	}
	return errors.Join(w.flush(), cmp.Or(err, w.missed)) // a subfolder may disappear during the walk, this one may not
}

// miss notes that a file or a subfolder cannot be read. It is no error if it is gone.
func (w *walk) miss(err error) {
	if err = ignoreGone(err); err != nil && w.missed == nil {
		w.missed = fmt.Errorf("%w: %w", bucket.ErrPartial, err)
	}
}

// folder lists the files of a folder with the path name, and those below it. Their keys begin
// with key.
func (w *walk) folder(ctx context.Context, key, name string) error {
	dir, err := w.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(w.pageSize)
		for _, entry := range entries {
			err := w.entry(ctx, path.Join(filepath.ToSlash(key), entry.Name()), filepath.Join(name, entry.Name()), entry)
			switch {
			case errors.Is(err, errStop):
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			}
			w.miss(err)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) entry(ctx context.Context, key, name string, entry fs.DirEntry) error {
	switch {
	case strings.HasPrefix(entry.Name(), asidePrefix):
		for _, back := range w.bucket.restore(w.root, name, entry.IsDir()) { // the walk may have passed their places
			if err := w.restored(path.Join(path.Dir(key), back), filepath.Join(filepath.Dir(name), back)); err != nil {
				return err
			}
		}
		return nil
	case hidden(entry.Name()):
		return nil
	case entry.IsDir():
		if w.covers(key + "/") {
			return w.folder(ctx, key, name)
		}
		return nil
	case entry.Type()&fs.ModeSymlink != 0:
		return w.link(ctx, key, name)
	case !strings.HasPrefix(key, w.prefix):
		return nil
	case !entry.Type().IsRegular():
		w.skip(notRegular, key)
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	return w.file(key, info)
}

// restored lists a file that was put back. The walk may list it twice.
func (w *walk) restored(key, name string) error {
	info, err := w.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || hidden(path.Base(key)) {
		return err
	}
	return w.file(key, info)
}

// covers reports whether a folder may contain keys with the prefix.
func (w *walk) covers(key string) bool {
	return strings.HasPrefix(key, w.prefix) || strings.HasPrefix(w.prefix, key)
}

// file adds a file to the page.
func (w *walk) file(key string, info fs.FileInfo) error {
	if !strings.HasPrefix(key, w.prefix) {
		return nil
	}
	if !isKey(key) {
		w.skip(notAKey, key)
		return nil
	}
	o := describe(key, info)
	o.Settling = w.bucket.quiet.settling(key, info)
	w.page = append(w.page, o)
	if len(w.page) < w.pageSize {
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

// CheckPrefix logs a warning if no key has the prefix but some have another spelling of it.
func (b *Bucket) CheckPrefix(ctx context.Context) error {
	other, err := bucket.OtherSpelling(b.prefix, func(prefix string) (found bool, err error) {
		w := &walk{bucket: b, prefix: prefix, pageSize: 1, yield: func([]bucket.Object, error) bool { found = true; return false }}
		if err := w.run(ctx); err != nil && !errors.Is(err, errStop) {
			return false, fmt.Errorf("list bucket folder: %w", err)
		}
		return found, nil
	})
	if err != nil {
		return err
	}
	if other != "" {
		b.log.Warn("no object has the prefix, but some have another spelling of it; set MOVIES_BUCKET_PREFIX to that if it is meant",
			"folder", b.dir, "prefix", b.prefix, "other", other)
	}
	return nil
}
