package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jpmovies/internal/bucket"
	"jpmovies/internal/bucket/dirbucket"
	"jpmovies/internal/worker"
)

// interrupted is a store whose reader is interrupted when it reads the second object.
type interrupted struct {
	bucket.Store
	reads  int
	cancel func()
}

func (s *interrupted) Get(ctx context.Context, key string) (bucket.Object, io.ReadCloser, error) {
	if s.reads++; s.reads == 2 {
		s.cancel()
		return bucket.Object{}, nil, ctx.Err()
	}
	return s.Store.Get(ctx, key)
}

// TestInterruptedDryRun: an interrupted dry run fails, and says nothing of objects that it has not
// read.
func TestInterruptedDryRun(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"a", "b", "c"} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, []byte(`{"title": "A", "year": 2000}`), 0o600), os.Chtimes(file, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	store, err := dirbucket.Open(dir, dirbucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	err = dryRun(ctx, &interrupted{Store: store, cancel: cancel}, worker.Shard{}, &out)
	if !errors.Is(err, context.Canceled) || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), ": 1 updates, 0 rejected\n") {
		t.Errorf("%v, printed %q", err, out.String())
	}
}
