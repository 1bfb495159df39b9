package dirbucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"jpmovies/internal/bucket"
)

const (
	// asidePrefix begins the names of the folders in which files are compared
	// before they are deleted: prefix, Unix time, "-", random.
	asidePrefix = ".jpmovies-removing-"
	// restoreAge is the age at which such a folder must have been left by a crash.
	restoreAge = time.Minute
)

// errPutBack: the file was moved back while it was being compared, which takes a
// machine that slept for longer than restoreAge. It may or may not survive.
var errPutBack = errors.New("another worker has put it back")

// Delete implements bucket.Store.
//
// No system deletes a file on condition. So each file is first moved into a
// hidden folder beside it, where no producer can overwrite it any more, compared
// there, and then deleted or moved back. What a crash leaves there, List moves
// back. Nothing is synced: a deleted file that comes back with a power cut is
// applied again, which changes nothing.
func (b *Bucket) Delete(ctx context.Context, refs []bucket.Ref) []error {
	errs := make([]error, len(refs))
	root, err := b.root()
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer func() { _ = root.Close() }()
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
	// aside holds the hidden folder that was made in each folder.
	aside map[string]aside
}

type aside struct {
	name string
	made time.Time
}

func (d *deletion) delete(ref bucket.Ref) error {
	name, ok := filePath(ref.Key)
	if !ok {
		return bucket.ErrNotFound
	}
	// A look first spares most of the moving to and fro. It decides nothing.
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
	return d.settle(name, moved, ref.ETag)
}

// settle deletes the file that was moved aside if it is the generation named,
// and else moves it back.
func (d *deletion) settle(name, moved, etag string) error {
	if _, err := d.root.Lstat(moved); errors.Is(err, fs.ErrNotExist) {
		return errPutBack
	}
	info, err := d.bucket.locateMoved(d.root, name, moved)
	if err := compare(info, err, etag); err != nil {
		return errors.Join(err, putBack(d.root, name, moved))
	}
	return d.root.Remove(moved)
}

// compare judges the file that was looked for.
func compare(info fs.FileInfo, err error, wanted string) error {
	if err != nil {
		return notFound(err)
	}
	if etag(info) != wanted {
		return bucket.ErrChanged
	}
	return nil
}

// putBack gives a file its name again, unless that has been taken: then the file
// was overwritten, and is dropped as any overwritten file is.
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

// putBackWithoutLinks is for file systems without hard links. A file which gets
// the name between the two steps is overwritten: there is no better way.
func putBackWithoutLinks(root *os.Root, name, moved string) error {
	if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return ignoreGone(root.Remove(moved))
	}
	return root.Rename(moved, name)
}

// folder returns the hidden folder for files of the folder parent. Having a
// folder and not a hidden name for each file keeps long names from getting
// longer than the system allows.
func (d *deletion) folder(parent string) (string, error) {
	now := d.bucket.now()
	old, ok := d.aside[parent]
	if ok && now.Sub(old.made) < restoreAge/4 {
		return old.name, nil
	}
	if ok {
		// Others would soon take it for a crash's.
		_ = d.root.Remove(old.name)
	}
	name := filepath.Join(parent, asidePrefix+strconv.FormatInt(now.Unix(), 10)+"-"+rand.Text())
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return "", err
	}
	d.aside[parent] = aside{name, now}
	return name, nil
}

// close removes the hidden folders. One that isn't empty stays for List.
func (d *deletion) close() {
	for _, aside := range d.aside {
		_ = d.root.Remove(aside.name)
	}
}

// restore moves back what a crash has left in a hidden folder.
func (b *Bucket) restore(root *os.Root, aside string) {
	parent, name := filepath.Split(aside)
	made, _, _ := strings.Cut(strings.TrimPrefix(name, asidePrefix), "-")
	seconds, err := strconv.ParseInt(made, 10, 64)
	if err != nil || b.now().Sub(time.Unix(seconds, 0)) < restoreAge {
		return
	}
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(aside))
	for _, entry := range entries {
		err = errors.Join(err, putBack(root, parent+entry.Name(), filepath.Join(aside, entry.Name())))
	}
	err = errors.Join(err, ignoreGone(root.Remove(aside)))
	if err != nil {
		b.log.Warn("a file whose deletion was interrupted can't be put back", "folder", filepath.Join(b.dir, aside), "error", err)
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
