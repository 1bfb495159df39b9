//go:build !unix

package dirbucket

import (
	"io/fs"
	"os"
)

// inode returns 0: here a FileInfo has no inode, so size and time alone name a generation.
func inode(fs.FileInfo) uint64 { return 0 }

// syncFolder does nothing: here a folder cannot be synced.
func syncFolder(*os.File) error { return nil }
