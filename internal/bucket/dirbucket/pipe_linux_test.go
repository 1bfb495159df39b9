package dirbucket

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"jpmovies/internal/bucket"
)

// TestPipeInstead: a named pipe that takes a file's place, again and again, is not waited for.
func TestPipeInstead(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, Options{})
	file, pipe := filepath.Join(dir, "a"), filepath.Join(dir, ".pipe")
	write(t, dir, "a", "content")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	exchange := func() error { return unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, pipe, unix.RENAME_EXCHANGE) }
	if err := exchange(); err != nil {
		t.Skipf("files cannot be exchanged here: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	exchanged := make(chan struct{})
	go func() {
		defer close(exchanged)
		for ctx.Err() == nil {
			_ = exchange()
		}
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_, body, err := b.Get(ctx, "a")
			if err == nil {
				_, err = io.Copy(io.Discard, body)
				_ = body.Close()
			}
			if err != nil && !errors.Is(err, bucket.ErrNotFound) && !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, bucket.ErrSettling) && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	<-exchanged
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("a read waits for the pipe's writer")
		if w, err := syscall.Open(pipe, syscall.O_RDWR, 0); err == nil { // lets it go
			_ = syscall.Close(w)
		}
	}
}
