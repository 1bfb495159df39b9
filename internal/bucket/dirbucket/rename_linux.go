package dirbucket

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// renameExclusively renames a file unless the new name has one, in one step. Some network file
// systems cannot do that, and say so.
func renameExclusively(root *os.Root, from, to string) (err error) {
	var folders [2]*os.File
	for i, name := range []string{from, to} {
		if folders[i], err = root.Open(filepath.Dir(name)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, folders[i].Close()) }()
	}
	return unix.Renameat2(int(folders[0].Fd()), filepath.Base(from), int(folders[1].Fd()), filepath.Base(to), unix.RENAME_NOREPLACE)
}
