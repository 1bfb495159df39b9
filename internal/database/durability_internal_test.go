package database

import (
	"path/filepath"
	"testing"
)

// TestDurabilityOfFile: a SQLite file is asked how durable its commits are.
func TestDurabilityOfFile(t *testing.T) {
	db, err := Open(Options{File: filepath.Join(t.TempDir(), "a.sqlite"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for setting, problems := range map[string]int{"FULL": 0, "EXTRA": 0, "NORMAL": 1, "OFF": 1} {
		if _, err := db.write.ExecContext(t.Context(), "PRAGMA synchronous = "+setting); err != nil {
			t.Fatal(err)
		}
		if unsafe, err := db.Durability(t.Context()); err != nil || len(unsafe) != problems {
			t.Errorf("%s: %q, %v", setting, unsafe, err)
		}
	}
}
