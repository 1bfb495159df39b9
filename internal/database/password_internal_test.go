package database

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadPassword(t *testing.T) {
	for content, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " se cret \n": " se cret ", "": "", "\n": "", "se\ncret\n": "se\ncret",
	} {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPassword(file); err != nil || got != want {
			t.Errorf("%q: password %q, %v", content, got, err)
		}
	}
}
