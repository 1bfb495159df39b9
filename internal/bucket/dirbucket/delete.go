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
	"syscall"
	"time"

	"jpmovies/internal/bucket"
)

const (
	// asidePrefix begins the hidden names under which Delete compares files: prefix, Unix
	// time, "-", random text, "-", name.
	asidePrefix = ".jpmovies-removing-"
	// longestName is how many bytes most file systems allow for a name.
	longestName = 255
	// restoreAge is the age from which such a file counts as left by a crash. So does one
	// that lies as far in the future: the clock was wrong when it was moved.
	restoreAge = time.Minute
)

// errPutBack reports that another worker moved the file back while it was being compared:
// this process was suspended for longer than restoreAge.
var errPutBack = errors.New("another worker has put it back; a later pass reads it again")

// Delete implements bucket.Store.
//
// No operating system deletes a file on condition, so each file goes through three steps:
//
//  1. It is renamed to a hidden name, under which no producer overwrites it. A full disk
//     has room for that, unless the name has more than 198 bytes.
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
	for i, ref := range refs {
		err := ctx.Err()
		if err == nil {
			err = b.delete(root, ref)
		}
		if err != nil {
			errs[i] = fmt.Errorf("delete %q: %w", ref.Key, err)
		}
	}
	return errs
}

func (b *Bucket) delete(root *os.Root, ref bucket.Ref) error {
	name, ok := filePath(ref.Key)
	if !ok {
		return bucket.ErrNotFound
	}
	// This comparison saves most moves of overwritten files. The one under the hidden name
	// decides.
	path, info, err := b.locate(root, name)
	if err := compare(info, err, ref.ETag); err != nil {
		return err
	}
	if _, err := root.Lstat(name); err != nil { // below a link that os.Root does not follow
		name = path
	}
	parent, base := filepath.Split(name)
	hidden := parent + asidePrefix + strconv.FormatInt(b.now().Unix(), 10) + "-" + rand.Text()
	moved := hidden + "-" + base
	tooLong := len(filepath.Base(moved)) > longestName
	if !tooLong {
		err = root.Rename(name, moved)
		tooLong = errors.Is(err, syscall.ENAMETOOLONG) // an encrypted file system allows less
	}
	if tooLong { // into a hidden folder, where it keeps its name
		if err := root.Mkdir(hidden, 0o700); err != nil {
			return err
		}
		defer func() { _ = root.Remove(hidden) }() // List restores one that is not empty
		moved = filepath.Join(hidden, base)
		err = root.Rename(name, moved)
	}
	if err != nil {
		return notFound(err)
	}
	return b.compareAndRemove(root, name, moved, ref.ETag)
}

// compareAndRemove deletes a moved file if it has the ETag, else moves it back.
func (b *Bucket) compareAndRemove(root *os.Root, name, moved, etag string) error {
	if _, err := root.Lstat(moved); errors.Is(err, fs.ErrNotExist) {
		return errPutBack
	}
	info, err := b.locateMoved(root, name, moved)
	if err := compare(info, err, etag); err != nil {
		return errors.Join(err, putBack(root, name, moved))
	}
	return root.Remove(moved)
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

// putBack moves a file back to its name. If a newer file has the name by now, putBack deletes
// the moved one and leaves the newer one alone.
func putBack(root *os.Root, name, moved string) error {
	err := renameNew(root, moved, name)
	if errors.Is(err, fs.ErrExist) {
		err = root.Remove(moved)
	}
	return ignoreGone(err) // another worker has put it back
}

// restore moves back what a crash left under a hidden name: a file, or the files of a folder.
// It returns their names.
func (b *Bucket) restore(root *os.Root, hidden string, isFolder bool) (names []string) {
	parent, name := filepath.Split(hidden)
	made, rest, _ := strings.Cut(strings.TrimPrefix(name, asidePrefix), "-")
	seconds, err := strconv.ParseInt(made, 10, 64)
	if err != nil || b.now().Sub(time.Unix(seconds, 0)).Abs() < restoreAge {
		return nil
	}
	if isFolder {
		var entries []fs.DirEntry
		entries, err = fs.ReadDir(root.FS(), filepath.ToSlash(hidden))
		for _, entry := range entries {
			names = append(names, entry.Name())
			err = errors.Join(err, putBack(root, parent+entry.Name(), filepath.Join(hidden, entry.Name())))
		}
		err = errors.Join(err, ignoreGone(root.Remove(hidden)))
	} else if _, base, ok := strings.Cut(rest, "-"); ok {
		names = []string{base}
		err = putBack(root, parent+base, hidden)
	}
	if err != nil {
		b.log.Warn("files of an interrupted delete cannot be put back; the next listing retries", "path", filepath.Join(b.dir, hidden), "error", err)
	}
	return names
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
