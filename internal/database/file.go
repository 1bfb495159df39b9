package database

import (
	"fmt"
	"os"
	"sync"
)

// sameFile knows which file is open. Whoever removes or replaces a SQLite file
// leaves the program with one that nobody else sees, and what is committed to
// that is lost when it ends.
type sameFile struct {
	path string
	mu   sync.Mutex
	open os.FileInfo // nil until a transaction has begun
}

// name is what an error is about.
func (db *DB) name() string {
	if db.file == nil {
		return "database"
	}
	return "database " + db.file.path
}

// check remembers the file the first time, and then says when it is another one.
func (f *sameFile) check() error {
	if f == nil { // a server
		return nil
	}
	now, err := os.Stat(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.open == nil {
		return nil // not made yet: whoever needs it will say so
	}
	if err != nil {
		return fmt.Errorf("the file that is open is gone: %w; put it back, or start anew", err)
	}
	if f.open == nil {
		f.open = now
	}
	if !os.SameFile(f.open, now) {
		return fmt.Errorf("%s was replaced while it was open; start anew to use the new one", f.path)
	}
	return nil
}
