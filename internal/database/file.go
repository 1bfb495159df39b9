package database

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"modernc.org/sqlite"
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

// openFile opens one writing connection and a pool of readers. SQLite has one writer at a
// time, and queueing in the process costs less than finding the file busy.
func (db *DB) openFile(o Options) error {
	if !o.Create {
		if _, err := os.Stat(o.File); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("no database %s: run jpmovies migrate first", o.File)
		}
	}
	path, err := filepath.Abs(o.File)
	if err != nil {
		return err
	}
	db.dialect, db.file = &sqliteDialect, &sameFile{path: path}
	// Open the writer alone first: it converts the file to WAL, and two connections that
	// do so at once fail instead of waiting.
	//
	// synchronous=FULL: a commit is on the disk before its objects are deleted. A batch
	// touches thousands of pages, so 16 MB of them are cached, and the WAL is checkpointed
	// every 32 MB. Temporary tables and statement journals stay in memory, because an
	// empty image has no folder for them.
	const patient, writes = "_pragma=busy_timeout(10000)&_pragma=temp_store(MEMORY)", "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate" +
		"&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(8000)"
	uri := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
	writer, err := sqlite.NewConnector(uri + "?" + patient + writes)
	if err != nil {
		return err
	}
	reader, err := sqlite.NewConnector(uri + "?" + patient + "&_pragma=query_only(1)")
	if err != nil {
		return err
	}
	db.write, db.read = o.OpenPool(writer), o.OpenPool(reader)
	db.write.SetMaxOpenConns(1)
	db.read.SetMaxOpenConns(idleConnections)
	db.read.SetMaxIdleConns(idleConnections)
	db.openExports(o.OpenPool(reader), o.Exports)
	return nil
}
