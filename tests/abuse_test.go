package tests

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"jpmovies/internal/database/databasetest"
)

// maxRSS is the limit of a worker's memory in MiB, whatever the input.
const maxRSS = 150

// size returns the number in an environment variable, or else small, which suits every run of
// the tests.
func size(t *testing.T, variable string, small int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// TestAbuse drains input that is made to exhaust a worker's memory or time.
func TestAbuse(t *testing.T) {
	bulk := size(t, "MOVIES_TEST_BULK_MB", 100)
	tiny := size(t, "MOVIES_TEST_TINY", 5000)
	for _, test := range []struct {
		name             string
		write            func(t *testing.T, dir string)
		movies, rejected int
	}{
		{"nothing", file(0, func(io.Writer) {}), 0, 1},
		{"large NDJSON", file(1, func(w io.Writer) {
			line := `{"title": "film %d", "year": 2000, "cast": ["` + strings.Repeat("a", 400) + `"], "x": "` + strings.Repeat("y", 10_000) + `"}` + "\n"
			for i := 0; i*10_500 < bulk<<20; i++ {
				_, _ = fmt.Fprintf(w, line, i%1000)
			}
		}), 1000, 0},
		{"5 GB of zeros", gzipFile(5 << 30), 0, 1},
		{"one line of 100 MB", file(1, func(w io.Writer) {
			_, _ = io.WriteString(w, `{"title": "`)
			for range 100 {
				_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
			}
			_, _ = io.WriteString(w, "\", \"year\": 2000}\n"+good)
		}), 1, 1},
		{"100,000 brackets", file(1, func(w io.Writer) {
			_, _ = io.WriteString(w, good+strings.Repeat("[", 100_000)+"\n"+good)
		}), 1, 1},
		{"many large updates at once", file(48, func(w io.Writer) {
			for i := range 4 {
				_, _ = fmt.Fprintf(w, `{"title": "T %d", "year": 2000, "cast": ["x"`, i)
				for n := range 1900 {
					_, _ = fmt.Fprintf(w, `,"%0500d"`, n)
				}
				_, _ = io.WriteString(w, "]}\n")
			}
		}), 4, 0},
		{"many compressed objects at once", func(t *testing.T, dir string) {
			for i := range 64 {
				var text bytes.Buffer
				w, err := zstd.NewWriter(&text, zstd.WithWindowSize(8<<20))
				if err != nil {
					t.Fatal(err)
				}
				for n := range 1000 {
					_, _ = fmt.Fprintf(w, `{"title": "T %d %d", "year": 2000, "x": "%0900d"}`+"\n", n, i, n)
				}
				if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), text.Bytes(), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
		}, 64_000, 0},
		{"small updates of many large movies", func(t *testing.T, dir string) {
			file(1, func(w io.Writer) {
				for i := range 100 {
					_, _ = fmt.Fprintf(w, `{"title": "T %d", "year": 2000, "genres": ["g"], "cast": ["x"`, i)
					for n := range 1900 {
						_, _ = fmt.Fprintf(w, `,"%0500d"`, n)
					}
					_, _ = io.WriteString(w, "]}\n")
				}
			})(t, dir)
			var small strings.Builder
			for i := range 100 {
				fmt.Fprintf(&small, `{"title": "T %d", "year": 2000, "genres": ["x"]}`+"\n", i)
			}
			if err := os.WriteFile(filepath.Join(dir, "small"), []byte(small.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 100, 0},
		{"many tiny objects", func(t *testing.T, dir string) {
			for i := range tiny {
				sub := filepath.Join(dir, strconv.Itoa(i/10_000))
				if i%10_000 == 0 {
					if err := os.Mkdir(sub, 0o750); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), fmt.Appendf(nil, `{"title": "film %d", "year": 2000}`, i%1000), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, 1000, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := databasetest.SQLite(t)
			s := newSite(t, o, newFolder(t))
			test.write(t, s.inbox.(folder).dir)
			p := s.start(t, "worker", "--once")
			if code := p.exit(t); code != 0 {
				t.Fatalf("exit %d\n%s", code, p.log())
			}
			usage := p.ProcessState.SysUsage().(*syscall.Rusage)
			rss := usage.Maxrss >> 10 // Linux counts KiB
			t.Logf("at most %d MiB, %s of CPU time", rss, p.ProcessState.UserTime()+p.ProcessState.SystemTime())
			if rss > maxRSS {
				t.Errorf("the worker took %d MiB, want at most %d", rss, maxRSS)
			}
			raw := databasetest.Raw(t, o)
			got := fmt.Sprint(texts(t, raw, "SELECT COUNT(*) FROM movie"), texts(t, raw, "SELECT COUNT(*) FROM rejection"))
			if want := fmt.Sprintf("[%d] [%d]", test.movies, test.rejected); got != want {
				t.Errorf("movies and rejections: %s, want %s", got, want)
			}
		})
	}
}

// file writes the same content into n files; 0 is one empty file.
func file(n int, write func(io.Writer)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		for i := range max(1, n) {
			f, err := os.Create(filepath.Join(dir, fmt.Sprint("file", i)))
			if err != nil {
				t.Fatal(err)
			}
			w := bufio.NewWriter(f)
			write(w)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// gzipFile writes a file of compressed zeros.
func gzipFile(zeros int) func(*testing.T, string) {
	return file(1, func(w io.Writer) {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		block := make([]byte, 1<<20)
		for range zeros >> 20 {
			_, _ = z.Write(block)
		}
		_ = z.Close()
	})
}
