//go:build unix

package dirbucket

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// inode distinguishes a file from one that was renamed over it.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// syncFolder makes the names in a folder durable. Some network file systems cannot do that,
// and say so.
func syncFolder(folder *os.File) error {
	if err := folder.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
