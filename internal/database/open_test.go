package database

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"
)

// TestTemporaryTablesInMemory: temporary tables stay in memory, because the image has no folder
// for temporary files.
func TestTemporaryTablesInMemory(t *testing.T) {
	db, err := Open(Options{File: filepath.Join(t.TempDir(), "movies.sqlite"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for name, pool := range map[string]*sql.DB{"write": db.write, "read": db.read, "exports": db.exports} {
		var place int
		if err := pool.QueryRowContext(context.Background(), "PRAGMA temp_store").Scan(&place); err != nil || place != 2 {
			t.Errorf("%s: temp_store is %d, want 2 (MEMORY), %v", name, place, err)
		}
	}
}

// TestUnhurried: a connection for full scans has no read timeout.
func TestUnhurried(t *testing.T) {
	for unhurried, limited := range map[bool]bool{true: false, false: true} {
		config, err := serverConfig(Options{User: "u", Host: "h", Port: 1, Unhurried: unhurried}, time.Minute)
		if err != nil || (config.ReadTimeout > 0) != limited {
			t.Errorf("unhurried %v: answers are awaited for %s, %v", unhurried, config.ReadTimeout, err)
		}
	}
}
