package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"jpmovies/internal/bucket"
)

// Get implements bucket.Store. It returns bucket.ErrSettling for a file that may still be
// being written. If the file changes while it is read, the reader returns bucket.ErrChanged
// instead of io.EOF.
func (b *Bucket) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	o, file, err := b.open(ctx, key)
	if err != nil {
		return bucket.Object{}, nil, fmt.Errorf("get %q: %w", key, err)
	}
	return o, &reader{file: file, ctx: ctx, opened: o}, nil
}

func (b *Bucket) open(ctx context.Context, key string) (bucket.Object, *os.File, error) {
	if err := ctx.Err(); err != nil {
		return bucket.Object{}, nil, err
	}
	root, err := b.root()
	if err != nil { // not ErrNotFound: the object may exist when the folder is back
		return bucket.Object{}, nil, err
	}
	defer func() { _ = root.Close() }()
	name, ok := filePath(key)
	if !ok {
		return bucket.Object{}, nil, bucket.ErrNotFound
	}
	file, info, err := b.openRegular(root, name)
	if err != nil {
		return bucket.Object{}, nil, notFound(err)
	}
	if b.quiet.settling(key, info) {
		return bucket.Object{}, nil, errors.Join(bucket.ErrSettling, file.Close())
	}
	return describe(key, info), file, nil
}

// openRegular opens a regular file. Opening a named pipe that took its place would wait for a
// writer, without O_NONBLOCK.
func (b *Bucket) openRegular(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	name, _, err := b.locate(root, name)
	if err != nil {
		return nil, nil, err
	}
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

// reader returns all bytes of one generation, or an error.
type reader struct {
	file   *os.File
	ctx    context.Context
	opened bucket.Object
	n      int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.Read(p)
	r.n += int64(n)
	// The file may have been overwritten in place meanwhile.
	info, failed := r.file.Stat()
	if failed != nil {
		return 0, failed
	}
	if etag(info) != r.opened.ETag || errors.Is(err, io.EOF) && r.n != r.opened.Size {
		return 0, fmt.Errorf("read %q: %w", r.opened.Key, bucket.ErrChanged)
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }
