package dirbucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"jpmovies/internal/bucket"
)

// Put creates an object; it returns fs.ErrExist if the key has one. Readers never see a part
// of it, and once Put has returned, a power failure does not take it away: the caller may then
// delete the only other copy.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	name, ok := filePath(key)
	if !ok || bucket.Ignored(bucket.Object{Ref: bucket.Ref{Key: key}, Size: int64(len(body))}) {
		return fmt.Errorf("put %q: no file can have that key", key)
	}
	root, err := b.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // all writes have returned
	if err := root.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	partial := filepath.Join(filepath.Dir(name), ".put-"+rand.Text()) // others may put the same key
	defer func() { _ = root.Remove(partial) }()                       // else it would stay, hidden
	if err := writeNew(root, partial, body); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := renameNew(root, partial, name); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	if err := syncFolders(root, filepath.Dir(name)); err != nil {
		return fmt.Errorf("put %q: %w", key, err)
	}
	return nil
}

// renameNew renames a file, and returns fs.ErrExist if the new name has one.
func renameNew(root *os.Root, from, to string) error {
	for _, way := range waysToRename {
		if err := way(root, from, to); err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return renameUnlessThere(root, from, to)
}

// waysToRename do not replace a file that is created at the same moment. The system, the file
// system, or the owner of the file may not allow them.
var waysToRename = []func(root *os.Root, from, to string) error{renameExclusively, renameByLink}

func renameByLink(root *os.Root, from, to string) error {
	err := root.Link(from, to)
	if err == nil {
		_ = root.Remove(from) // a hidden name that stays is removed later
	}
	return err
}

// renameUnlessThere may replace a file that is created at the same moment.
func renameUnlessThere(root *os.Root, from, to string) error {
	switch _, err := root.Lstat(to); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return root.Rename(from, to)
}

// syncFolders makes the names in a folder durable, and that of the folder itself: MkdirAll may
// have created it and those above it.
func syncFolders(root *os.Root, name string) error {
	for {
		folder, err := root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(syncFolder(folder), folder.Close()); err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		name = filepath.Dir(name)
	}
}

func writeNew(root *os.Root, name string, body []byte) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(body))
	return errors.Join(err, f.Sync(), f.Close())
}
