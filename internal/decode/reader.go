package decode

import (
	"fmt"
	"io"
)

// objectReader counts the bytes of the caller's reader and remembers its error. The
// decompressors would report a failing reader as corrupt data.
type objectReader struct {
	r    io.Reader
	read int64
	err  error
}

// maxIdle is how often in a row a reader may return no bytes before it counts as failed.
const maxIdle = 100

func (s *objectReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	for range maxIdle {
		n, err := s.r.Read(p)
		s.read += int64(n)
		s.err = err
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	s.err = io.ErrNoProgress
	return 0, s.err
}

// failure returns the error of the caller's reader; nil if it has none or reached its end.
func (s *objectReader) failure() error {
	if s.err == nil || s.err == io.EOF { //nolint:errorlint // a wrapped EOF is not the end
		return nil
	}
	return fmt.Errorf("read object: %w", s.err)
}

// drain reads to the end of the object: only there is it known to be complete.
func (s *objectReader) drain() error {
	_, _ = io.Copy(io.Discard, s) // failure returns the error
	return s.failure()
}
