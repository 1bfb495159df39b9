package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// TestTimesOfFiles: any time from the year 1 to 9999 orders updates, and trace shows it. Each
// file updates the same movie twice, and later updates win.
func TestTimesOfFiles(t *testing.T) {
	const memory = "/dev/shm" // other file systems cannot store such times
	if _, err := os.Stat(memory); err != nil {
		t.Skipf("no file system in memory: %v", err)
	}
	times := []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1677, 9, 21, 0, 12, 43, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC), time.Unix(0, 0).UTC(), time.Unix(0, 1).UTC(), time.Date(2300, 2, 28, 0, 0, 0, 999_999_999, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		dir, err := os.MkdirTemp(memory, "jpmovies-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		s := newSite(t, o, folder{dir})
		for i, at := range times {
			key := filepath.Join(dir, fmt.Sprintf("%d.ndjson", len(times)-i)) // keys sort in reverse order of the times
			line := fmt.Sprintf(`{"title": "All", "year": 1950, "cast": ["%d"]} {"title": "Own %[1]d", "year": 1950, "cast": ["A"]}`+"\n", i)
			if err := errors.Join(os.WriteFile(key, []byte(line+line), 0o600), setTime(key, at)); err != nil {
				t.Fatal(err)
			}
		}
		if p := s.start(t, "worker", "--once"); p.exit(t) != 0 {
			t.Fatal(p.log())
		}
		shown := strings.Join(content(t, o), "\n")
		for i, at := range times {
			if !strings.Contains(shown, fmt.Sprintf("Own %d", i)) {
				t.Errorf("the movie of %s is not there:\n%s", at, shown)
			}
			found, err := s.auditor.Trace(t.Context(), fmt.Sprintf("%d.ndjson", len(times)-i))
			if err != nil || len(found.Applied) != 1 || !found.Applied[0].ObjectTime.Equal(at) {
				t.Errorf("trace of %s: %+v, %v", at, found, err)
			}
		}
		last := fmt.Sprint(len(times) - 1)
		all, _, err := s.db.Movies(t.Context(), movie.Filter{Title: "All"}, 0, 2)
		if err != nil || len(all) != 1 || !strings.Contains(string(all[0].Fields), `"cast": ["`+last+`"]`) {
			t.Errorf("the newest update does not win: %v, %v", all, err)
		}
	})
}

// setTime sets the time of a file; os.Chtimes overflows outside 1678 to 2262.
func setTime(path string, at time.Time) error {
	spec := syscall.Timespec{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}
	return syscall.UtimesNano(path, []syscall.Timespec{spec, spec})
}
