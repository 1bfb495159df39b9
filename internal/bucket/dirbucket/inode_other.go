//go:build !unix

package dirbucket

import "io/fs"

// inode returns 0: here a FileInfo has no inode, so size and time alone name a generation.
func inode(fs.FileInfo) uint64 { return 0 }
