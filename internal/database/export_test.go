package database

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

// AddStep adds a step to the schema migrations of db only.
func (db *DB) AddStep(t *testing.T, name, statement string) {
	t.Helper()
	steps := fstest.MapFS{name: {Data: []byte("-- +goose Up\n" + statement + ";\n")}}
	known, err := fs.Glob(db.dialect.steps, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range known {
		text, err := fs.ReadFile(db.dialect.steps, name)
		if err != nil {
			t.Fatal(err)
		}
		steps[name] = &fstest.MapFile{Data: text}
	}
	own := *db.dialect
	own.steps = steps
	db.dialect = &own
}
