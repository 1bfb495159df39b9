//go:build unix

package dirbucket

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"jpmovies/internal/bucket"
)

// nobody is a user that permissions apply to.
const nobody = 65534

// asNobody runs the test again as another user if this one is root, whom no permission stops.
// It reports whether it did.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	dir := t.TempDir()
	// The test's program is in a folder of root's.
	program := filepath.Join(dir, "dirbucket.test")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	files := filepath.Join(dir, "files")
	if err := errors.Join(
		os.WriteFile(program, content, 0o755), os.Mkdir(files, 0o700), os.Chown(files, nobody, nobody),
		os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.v")
	command.Dir, command.Env = files, append(os.Environ(), "TMPDIR="+files)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
	return true
}

// TestUnreadableSubfolder: the files of other folders are listed, and then an error.
func TestUnreadableSubfolder(t *testing.T) {
	if asNobody(t) {
		return
	}
	dir := t.TempDir()
	for i := range 5 {
		write(t, dir, fmt.Sprintf("%d/a.json", i), "{}")
	}
	if err := os.Chmod(filepath.Join(dir, "2"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "2"), 0o700) })
	all, err := list(t, open(t, dir, Options{}))
	if len(all) != 4 || !errors.Is(err, bucket.ErrPartial) {
		t.Errorf("listed %d, error %v", len(all), err)
	}
}
