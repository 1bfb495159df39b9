package decode

import (
	"fmt"
	"io"
)

// source remembers how the caller's reader ended. Decompressors take a failing
// reader for corrupt data, so they are never asked.
type source struct {
	r    io.Reader
	read int64
	err  error
}

// maxIdle is how often a reader may give nothing before it counts as failed.
const maxIdle = 100

func (s *source) Read(p []byte) (int, error) {
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

// failure is the reader's own error, if it had one.
func (s *source) failure() error {
	if s.err == nil || s.err == io.EOF { //nolint:errorlint // an EOF inside another error is that error
		return nil
	}
	return fmt.Errorf("read object: %w", s.err)
}

// drain reads the source to its end, since only then is it known to be whole.
func (s *source) drain() error {
	// The error is remembered, and failure tells the good end from the bad.
	_, _ = io.Copy(io.Discard, s)
	return s.failure()
}
