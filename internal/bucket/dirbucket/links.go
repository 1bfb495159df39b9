package dirbucket

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// follow returns where a symbolic link leads, as a path below the folder;
// fs.ErrNotExist when it leads out of the folder. from is absolute or below the
// folder.
func (b *Bucket) follow(from string) (string, error) {
	if !filepath.IsAbs(from) {
		from = filepath.Join(b.dir, from)
	}
	folder, err1 := filepath.EvalSymlinks(b.dir)
	target, err2 := filepath.EvalSymlinks(from)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	below, err := filepath.Rel(folder, target)
	if err != nil || !filepath.IsLocal(below) {
		return "", fs.ErrNotExist
	}
	return below, nil
}

// locate returns the path and the state of the regular file that a name stands
// for, by links that stay inside the folder.
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

func regular(root *os.Root, name string) (string, fs.FileInfo, error) {
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	return name, info, err
}

// locateMoved is locate for a file or link that was moved from name to another
// folder, where a relative link would lead elsewhere.
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

// folder is one that a walk reads: its keys begin with key, its path is name.
type folder struct{ key, name string }

// link takes a symbolic link: to a file, to a folder that is not listed anyway, or
// to what is skipped.
func (w *walk) link(key, name string) error {
	target, err := w.bucket.follow(name)
	if err != nil {
		w.skippedLinks.add(key)
		return nil
	}
	info, err := w.root.Lstat(target)
	switch {
	case err != nil:
		return ignoreGone(err)
	case info.IsDir():
		if !w.listed(target) && !below(name, target) && !w.followed[target] && w.covers(key+"/") {
			w.followed[target] = true
			w.folders = append(w.folders, folder{key, target})
		}
		return nil
	case !info.Mode().IsRegular():
		w.skippedLinks.add(key)
		return nil
	}
	return w.file(key, info)
}

// listed tells whether the walk comes to the folder by its own name.
func (w *walk) listed(name string) bool {
	for element := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		if hidden(element) && element != "." {
			return false
		}
	}
	return w.covers(filepath.ToSlash(name) + "/")
}

// covers tells whether a folder may hold keys with the prefix.
func (w *walk) covers(key string) bool {
	return strings.HasPrefix(key, w.bucket.prefix) || strings.HasPrefix(w.bucket.prefix, key)
}

// below tells whether a name is in the folder, at any depth.
func below(name, folder string) bool {
	return folder == "." || strings.HasPrefix(name, folder+string(filepath.Separator))
}
