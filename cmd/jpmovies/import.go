package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"jpmovies/internal/bucket"
	"jpmovies/internal/config"
)

func newImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE...",
		Short: "Load files straight into the database",
		Long: `Reads files as the worker reads objects (NDJSON, arrays, gzip, zstd; the time of
a file is the time of its updates) and loads them into the database by the same
rules, rejections included. It keeps the files. After an interruption, run it
again: applying an update twice changes nothing.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			return runImport(command.Context(), command.OutOrStdout(), names)
		},
	}
}

func runImport(ctx context.Context, out io.Writer, names []string) error {
	var c config.Migrate
	if err := config.Parse(&c); err != nil {
		return err
	}
	store, total, err := openFiles(names)
	if err != nil {
		return err
	}
	bar := newProgress()
	bar.count("bytes", total)
	store.progress = bar.set
	l := load{
		name: "import", database: c.Database, log: c.Log, bar: bar,
		reads: concurrency{most: 1}, // so that ids follow the order of the files
		open:  func(context.Context, *slog.Logger) (bucket.Store, error) { return store, nil },
	}
	done, err := l.run(ctx)
	if err != nil && done.Updates+done.Rejections == 0 {
		return err
	}
	_, printed := fmt.Fprintf(out, "%d updates from %d files, %d movies changed, %d updates rejected, in %s (%.0f updates/s)\n",
		done.Updates, len(names), done.Changes, done.Rejections, done.took, float64(done.Updates)/done.took.Seconds())
	if done.Rejections > 0 {
		err = errors.Join(err, errors.New("some updates were rejected; jpmovies rejections list says why"))
	}
	return errors.Join(err, printed)
}

// files presents the named files as a bucket. Delete only removes a file from later
// listings.
type files struct {
	progress func(int64)
	read     atomic.Int64 // bytes
	mu       sync.Mutex
	waiting  []bucket.Object
	paths    map[string]string // by key
}

func openFiles(names []string) (*files, int64, error) {
	f := &files{paths: make(map[string]string), progress: func(int64) {}}
	total := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, 0, err
		}
		if !info.Mode().IsRegular() {
			return nil, 0, fmt.Errorf("%s is not a regular file", name)
		}
		key := filepath.ToSlash(filepath.Clean(name))
		if _, twice := f.paths[key]; twice {
			continue
		}
		f.paths[key] = name
		f.waiting = append(f.waiting, describeFile(key, info))
		total += info.Size()
	}
	return f, total, nil
}

func describeFile(key string, info os.FileInfo) bucket.Object {
	etag := fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()) // changes when the file is written
	return bucket.Object{Ref: bucket.Ref{Key: key, ETag: etag}, Size: info.Size(), LastModified: info.ModTime()}
}

// List yields the files that are not imported yet.
func (f *files) List(context.Context) iter.Seq2[[]bucket.Object, error] {
	return func(yield func([]bucket.Object, error) bool) {
		f.mu.Lock()
		page := slices.Clone(f.waiting)
		f.mu.Unlock()
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// Get opens a file.
func (f *files) Get(_ context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	file, err := os.Open(f.paths[key])
	if err != nil {
		return bucket.Object{}, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return bucket.Object{}, nil, errors.Join(err, file.Close())
	}
	return describeFile(key, info), &countedFile{file, f}, nil
}

// Delete removes files from later listings, unless they have changed since they were read.
func (f *files) Delete(_ context.Context, refs []bucket.Ref) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(refs))
	for i, ref := range refs {
		info, err := os.Stat(f.paths[ref.Key])
		if err == nil && ref.ETag != describeFile(ref.Key, info).ETag {
			errs[i] = bucket.ErrChanged
			continue
		}
		f.waiting = slices.DeleteFunc(f.waiting, func(o bucket.Object) bool { return o.Key == ref.Key })
	}
	return errs
}

type countedFile struct {
	*os.File
	of *files
}

func (c *countedFile) Read(p []byte) (int, error) {
	n, err := c.File.Read(p)
	c.of.progress(c.of.read.Add(int64(n)))
	return n, err
}
