package database

import (
	"fmt"
	"os"
	"sync"
)

// sameFile detects that an open SQLite file was removed or replaced. The process would go
// on with a file that nobody else sees, and its commits would be lost at its end.
type sameFile struct {
	path string
	mu   sync.Mutex
	open os.FileInfo // nil before the first transaction
}

// name names the database in errors.
func (db *DB) name() string {
	if db.file == nil {
		return "database"
	}
	return "database " + db.file.path
}

// check stores the file's identity at its first call, and afterwards returns an error if
// it differs.
func (f *sameFile) check() error {
	if f == nil { // a server
		return nil
	}
	now, err := os.Stat(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.open == nil {
		return nil // not created yet; its first use reports that
	}
	if err != nil {
		return fmt.Errorf("the open database file is gone: %w; put it back or restart", err)
	}
	if f.open == nil {
		f.open = now
	}
	if !os.SameFile(f.open, now) {
		return fmt.Errorf("%s was replaced while it was open; restart to use the new one", f.path)
	}
	return nil
}
