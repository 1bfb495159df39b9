//go:build !linux

package dirbucket

import (
	"errors"
	"os"
)

// renameExclusively is not supported here.
func renameExclusively(*os.Root, string, string) error { return errors.ErrUnsupported }
