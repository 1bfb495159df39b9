package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
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

	page     []bucket.Object
	folders  []folder
	followed map[string]bool // folders that links lead to
	// What is skipped: names that are no keys, links, and what is no file at all.
	skippedNames, skippedLinks, skippedKinds skipped
}

// skipped counts files of one kind.
type skipped struct {
	files   int
	example string
}

func (s *skipped) add(key string) {
	s.files++
	s.example = key
}

func (w *walk) run(ctx context.Context) error {
	start := w.bucket.now()
	var failed error
	w.folders, w.followed = []folder{{".", "."}}, make(map[string]bool)
	for len(w.folders) > 0 {
		last := len(w.folders) - 1
		next := w.folders[last]
		w.folders = w.folders[:last]
		err := w.folder(ctx, next)
		if errors.Is(err, errStop) || ctx.Err() != nil {
			return err
		}
		// A subfolder may go while we walk; the bucket itself may not.
		if errors.Is(err, fs.ErrNotExist) && next.name != "." {
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
func (w *walk) folder(ctx context.Context, f folder) error {
	dir, err := w.root.Open(f.name)
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
			if err := w.entry(path.Join(filepath.ToSlash(f.key), entry.Name()), filepath.Join(f.name, entry.Name()), entry); err != nil {
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

func (w *walk) entry(key, name string, entry fs.DirEntry) error {
	switch {
	case strings.HasPrefix(entry.Name(), asidePrefix) && entry.IsDir():
		w.bucket.restore(w.root, name)
		return nil
	case hidden(entry.Name()):
		return nil
	case entry.IsDir():
		if w.covers(key + "/") {
			w.folders = append(w.folders, folder{key, name})
		}
		return nil
	case entry.Type()&fs.ModeSymlink != 0:
		return w.link(key, name)
	case !strings.HasPrefix(key, w.bucket.prefix):
		return nil
	case !entry.Type().IsRegular():
		w.skippedKinds.add(key)
		return nil
	}
	info, err := entry.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.file(key, info)
}

// file lists a file.
func (w *walk) file(key string, info fs.FileInfo) error {
	if !strings.HasPrefix(key, w.bucket.prefix) {
		return nil
	}
	if !isKey(key) {
		w.skippedNames.add(key)
		return nil
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

// warn says what was skipped, once as long as that stays the same.
func (w *walk) warn() {
	for i, s := range []struct {
		skipped
		why string
	}{
		{w.skippedNames, "files were left alone, because a key must be UTF-8 and not longer than 1,024 bytes"},
		{w.skippedLinks, "symbolic links were left alone, because they lead out of the folder or to no file"},
		{w.skippedKinds, "files were left alone, because they are no regular files"},
	} {
		if w.bucket.warned[i].Swap(int64(s.files)) != int64(s.files) && s.files > 0 {
			w.bucket.log.Warn(s.why, "files", s.files, "example", s.example)
		}
	}
}

// CheckPrefix warns when there is nothing under the prefix, but under another
// spelling of it.
func (b *Bucket) CheckPrefix(ctx context.Context) error {
	other, err := bucket.OtherSpelling(b.prefix, func(prefix string) (bool, error) {
		looked := &Bucket{dir: b.dir, prefix: prefix, pageSize: 1, log: slog.New(slog.DiscardHandler), now: b.now, quiet: &quietness{now: b.now, future: map[string]sighting{}}}
		for page, err := range looked.List(ctx) {
			return len(page) > 0, err
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	if other != "" {
		b.log.Warn("there is nothing under the prefix, but under another spelling of it; set MOVIES_BUCKET_PREFIX to that if it is meant",
			"folder", b.dir, "prefix", b.prefix, "other", other)
	}
	return nil
}
