//go:build unix

package dirbucket

import (
	"io/fs"
	"syscall"
)

// inode distinguishes a file from one that was renamed over it.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}
