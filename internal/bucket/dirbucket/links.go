package dirbucket

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// follow returns the target of a symbolic link as a path below the folder; fs.ErrNotExist if
// the target is outside. from is absolute or relative to the folder.
func (b *Bucket) follow(from string) (string, error) {
	if !filepath.IsAbs(from) {
		from = filepath.Join(b.dir, from)
	}
	folder, folderErr := filepath.EvalSymlinks(b.dir)
	target, targetErr := filepath.EvalSymlinks(from)
	if err := errors.Join(folderErr, targetErr); err != nil {
		return "", err
	}
	below, err := filepath.Rel(folder, target)
	if err != nil || !filepath.IsLocal(below) {
		return "", fs.ErrNotExist
	}
	return below, nil
}

// locate returns the path and the state of the regular file that a name leads to, if its
// links stay inside the folder; else fs.ErrNotExist.
func (b *Bucket) locate(root *os.Root, name string) (string, fs.FileInfo, error) {
	info, err := root.Lstat(name)
	if err == nil && info.Mode().IsRegular() {
		return name, info, nil
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return "", nil, fs.ErrNotExist
	}
	// A link, or a name below one that os.Root does not follow.
	target, err := b.follow(name)
	if err != nil {
		return "", nil, err
	}
	return regular(root, target)
}

// regular returns the state of a regular file; fs.ErrNotExist if it is another kind of file.
func regular(root *os.Root, name string) (string, fs.FileInfo, error) {
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	return name, info, err
}

// locateMoved is locate for a file or link that was moved from name, perhaps to another
// folder. A relative link still counts from its old one.
func (b *Bucket) locateMoved(root *os.Root, name, moved string) (fs.FileInfo, error) {
	info, err := root.Lstat(moved)
	if err != nil || info.Mode().IsRegular() {
		return info, err
	}
	text, err := root.Readlink(moved)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(name), text)
	}
	target, err := b.follow(text)
	if err != nil {
		return nil, err
	}
	_, info, err = regular(root, target)
	return info, err
}

// link lists the file that a symbolic link leads to, or the files of its folder unless the walk
// reads that anyway. It skips other links.
func (w *walk) link(ctx context.Context, key, name string) error {
	target, err := w.bucket.follow(name)
	if err != nil {
		w.skip(badLink, key)
		return nil
	}
	info, err := w.root.Lstat(target)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		if !w.reaches(target) && !below(name, target) && !w.followed[target] && w.covers(key+"/") {
			w.followed[target] = true
			return w.folder(ctx, key, target)
		}
		return nil
	case !info.Mode().IsRegular():
		w.skip(badLink, key)
		return nil
	}
	return w.file(key, info)
}

// reaches reports whether the walk reads a folder without following links.
func (w *walk) reaches(name string) bool {
	for element := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		if hidden(element) && element != "." {
			return false
		}
	}
	return w.covers(filepath.ToSlash(name) + "/")
}

// below reports whether a name is in the folder, at any depth.
func below(name, folder string) bool {
	return folder == "." || strings.HasPrefix(name, folder+string(filepath.Separator))
}
