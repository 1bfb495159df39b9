package dirbucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"jpmovies/internal/bucket"
)

const (
	// asidePrefix begins the names of the hidden folders in which Delete compares files:
	// prefix, Unix time, "-", random text.
	asidePrefix = ".jpmovies-removing-"
	// restoreAge is the age from which such a folder counts as left by a crash. So does one
	// that lies as far in the future: the clock was wrong when it was made.
	restoreAge = time.Minute
)

// errPutBack reports that another worker moved the file back while it was being compared:
// this process was suspended for longer than restoreAge.
var errPutBack = errors.New("another worker has put it back; the next pass reads it again")

// Delete implements bucket.Store.
//
// No operating system deletes a file on condition, so each file goes through three steps:
//
//  1. It is moved into a hidden folder beside it, where no producer overwrites it.
//  2. It is compared there with the generation to delete.
//  3. It is deleted, or moved back.
//
// List moves back the files of a crash. Nothing is synced: a deleted file that returns after
// a power failure is applied again, which changes nothing.
func (b *Bucket) Delete(ctx context.Context, refs []bucket.Ref) []error {
	root, err := b.root()
	if err != nil {
		return slices.Repeat([]error{err}, len(refs))
	}
	defer func() { _ = root.Close() }()
	errs := make([]error, len(refs))
	d := deletion{bucket: b, root: root, aside: map[string]aside{}}
	for i, ref := range refs {
		err := ctx.Err()
		if err == nil {
			err = d.delete(ref)
		}
		if err != nil {
			errs[i] = fmt.Errorf("delete %q: %w", ref.Key, err)
		}
	}
	d.close()
	return errs
}

// deletion is one call of Delete.
type deletion struct {
	bucket *Bucket
	root   *os.Root
	aside  map[string]aside // by parent folder
}

// aside is a hidden folder in which files are compared.
type aside struct {
	name string
	made time.Time
}

func (d *deletion) delete(ref bucket.Ref) error {
	name, ok := filePath(ref.Key)
	if !ok {
		return bucket.ErrNotFound
	}
	// This comparison saves most moves of overwritten files. The one in the hidden folder
	// decides.
	path, info, err := d.bucket.locate(d.root, name)
	if err := compare(info, err, ref.ETag); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name); err != nil { // below a link that os.Root does not follow
		name = path
	}
	aside, err := d.folder(filepath.Dir(name))
	if err != nil {
		return err
	}
	moved := filepath.Join(aside, filepath.Base(name))
	if err := d.root.Rename(name, moved); err != nil {
		return notFound(err)
	}
	return d.compareAndRemove(name, moved, ref.ETag)
}

// compareAndRemove deletes a file in the hidden folder if it has the ETag, else moves it back.
func (d *deletion) compareAndRemove(name, moved, etag string) error {
	if _, err := d.root.Lstat(moved); errors.Is(err, fs.ErrNotExist) {
		return errPutBack
	}
	info, err := d.bucket.locateMoved(d.root, name, moved)
	if err := compare(info, err, etag); err != nil {
		return errors.Join(err, putBack(d.root, name, moved))
	}
	return d.root.Remove(moved)
}

// compare returns bucket.ErrNotFound or bucket.ErrChanged unless the file has the ETag.
func compare(info fs.FileInfo, err error, wanted string) error {
	if err != nil {
		return notFound(err)
	}
	if etag(info) != wanted {
		return bucket.ErrChanged
	}
	return nil
}

// putBack moves a file from the hidden folder back to its name. If a newer file has the
// name by now, putBack deletes the moved one and leaves the newer one alone.
func putBack(root *os.Root, name, moved string) error {
	err := root.Link(moved, name)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		return ignoreGone(root.Remove(moved))
	case errors.Is(err, fs.ErrNotExist):
		return nil // another worker has put it back
	}
	return putBackWithoutLinks(root, name, moved)
}

// putBackWithoutLinks is putBack for file systems without hard links.
func putBackWithoutLinks(root *os.Root, name, moved string) error {
	if err := renameNew(root, moved, name); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return ignoreGone(root.Remove(moved))
}

// folder returns the hidden folder for the files of parent. The files keep their names in it:
// a hidden name beside the file could exceed the length that the system allows.
func (d *deletion) folder(parent string) (string, error) {
	now := d.bucket.now()
	old, ok := d.aside[parent]
	if ok && now.Sub(old.made) < restoreAge/4 {
		return old.name, nil
	}
	if ok {
		_ = d.root.Remove(old.name) // others would soon take it for a folder left by a crash
	}
	name := filepath.Join(parent, asidePrefix+strconv.FormatInt(now.Unix(), 10)+"-"+rand.Text())
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	d.aside[parent] = aside{name, now}
	return name, nil
}

// close removes the hidden folders. List restores one that is not empty.
func (d *deletion) close() {
	for _, aside := range d.aside {
		_ = d.root.Remove(aside.name)
	}
}

// restore moves back the files that a crash left in a hidden folder.
func (b *Bucket) restore(root *os.Root, aside string) {
	parent, name := filepath.Split(aside)
	made, _, _ := strings.Cut(strings.TrimPrefix(name, asidePrefix), "-")
	seconds, err := strconv.ParseInt(made, 10, 64)
	if err != nil || b.now().Sub(time.Unix(seconds, 0)).Abs() < restoreAge {
		return
	}
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(aside))
	for _, entry := range entries {
		err = errors.Join(err, putBack(root, parent+entry.Name(), filepath.Join(aside, entry.Name())))
	}
	err = errors.Join(err, ignoreGone(root.Remove(aside)))
	if err != nil {
		b.log.Warn("files of an interrupted delete cannot be put back; the next listing retries", "folder", filepath.Join(b.dir, aside), "error", err)
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
