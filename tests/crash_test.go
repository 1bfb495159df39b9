package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// mixedInput is a set of objects about few movies: small and bulk ones, partial
// updates, tombstones, garbage.
func mixedInput(random *rand.Rand, objects int) map[string][]byte {
	input := make(map[string][]byte)
	for i := range objects {
		var body []byte
		for range 1 + random.IntN(1+random.IntN(60)) {
			body = append(body, randomUpdate(random)...)
		}
		input[fmt.Sprintf("%05d.ndjson", i)] = body
	}
	return input
}

func randomUpdate(random *rand.Rand) string {
	title, year := random.IntN(400), 2000+random.IntN(2)
	switch random.IntN(8) {
	case 0:
		return fmt.Sprintf(`{"title": "film %d", "year": %d, "deleted": true}`+"\n", title, year)
	case 1:
		return fmt.Sprintf(`{"title": "film %d", "year": "%d"}`+"\n", title, year)
	case 2:
		return fmt.Sprintf(`{"title": "film %d", "year": %d, "genres": ["g%d"]}`+"\n", title, year, random.IntN(9))
	}
	return fmt.Sprintf(`{"title": "film %d", "year": %d, "cast": ["a%d", "b%d"], "genres": ["g%d"]}`+"\n",
		title, year, random.IntN(50), random.IntN(50), random.IntN(9))
}

// content is a catalogue without what depends on the order of arrival: the
// visible movies with their lists, the links, the stamps and the rejections.
func content(t *testing.T, o database.Options) []string {
	t.Helper()
	raw := databasetest.Raw(t, o)
	var all []string
	for _, query := range []string{
		"SELECT CONCAT_WS('|', hidden, fields, HEX(stamps)) FROM movie",
		"SELECT CONCAT_WS('|', 'cast', l.name, m.title, m.year) FROM movie_cast l JOIN movie m ON m.id = l.movie_id",
		"SELECT CONCAT_WS('|', 'genre', l.name, m.title, m.year, l.year) FROM movie_genre l JOIN movie m ON m.id = l.movie_id",
		"SELECT CONCAT_WS('|', 'rejection', object_key, object_etag, position, reason) FROM rejection",
		"SELECT CONCAT_WS('|', 'movies', movies) FROM catalogue",
		"SELECT CONCAT_WS('|', 'holes', c.revision - COUNT(l.revision)) FROM catalogue c LEFT JOIN change_log l ON 1 = 1 GROUP BY c.revision",
	} {
		all = append(all, texts(t, raw, query)...)
	}
	slices.Sort(all)
	return all
}

// undisturbed drains the same folder as a copy into a database of its own: what
// the catalogue has to be in the end.
func undisturbed(t *testing.T, original folder) []string {
	t.Helper()
	twin := newFolder(t).(folder)
	// -a keeps the times, which are the stamps.
	if out, err := exec.Command("cp", "-a", original.dir+"/.", twin.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o := server(t)
	newSite(t, o, twin).drain(t)
	return withoutETags(content(t, o))
}

// withoutETags drops the object ETag of rejections: a copied file has another.
func withoutETags(rows []string) []string {
	for i, row := range rows {
		if parts := strings.Split(row, "|"); parts[0] == "rejection" {
			rows[i] = strings.Join(append(parts[:2], parts[3:]...), "|")
		}
	}
	slices.Sort(rows)
	return rows
}

func checkSame(t *testing.T, want []string, o database.Options) {
	t.Helper()
	if got := withoutETags(content(t, o)); !slices.Equal(want, got) {
		t.Errorf("the catalogue differs from one of an undisturbed run (-want +got):\n%.4000s", cmp.Diff(want, got))
	}
}

// filled is a site whose folder holds mixed input, and what must become of it.
func filled(t *testing.T, o database.Options, objects int, seed uint64) (*site, []string) {
	t.Helper()
	s := newSite(t, o, newFolder(t))
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	putAll(t, s.inbox, mixedInput(random, objects))
	s.env = append(s.env, "MOVIES_WORKER_BATCH=40", "MOVIES_WORKER_CONCURRENCY=4")
	return s, undisturbed(t, s.inbox.(folder))
}

// TestKill9 kills the worker at random moments of a drain.
func TestKill9(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("MOVIES_TEST_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	o := server(t)
	s, want := filled(t, o, 60*kills, seed)
	random := rand.New(rand.NewPCG(seed, 1))
	killed := 0
	for range kills {
		p := s.start(t, "worker", "--once")
		time.Sleep(time.Duration(20+random.IntN(300)) * time.Millisecond) // the moment is the point, not the time
		_ = p.Process.Kill()
		if p.exit(t) == -1 {
			killed++
		}
	}
	left := len(s.keys(t))
	s.drain(t)
	t.Logf("%d of %d workers were killed before they had finished; %d objects were left", killed, kills, left)
	checkSame(t, want, o)
}

// TestSIGTERM stops the worker in the middle: what was in hand is committed and
// deleted, the rest stays.
func TestSIGTERM(t *testing.T) {
	o := server(t)
	s, want := filled(t, o, 2000, 5)
	p := s.start(t, "worker")
	p.logs(t, "worker starts")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < 2000 })
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	p.logs(t, "Stopping worker. Press one more time to exit immediately!")
	if left := len(s.keys(t)); left == 0 || left == 2000 {
		t.Logf("the signal came at an end: %d objects left", left)
	}
	s.drain(t)
	checkSame(t, want, o)
}

// TestServerStopsAndStarts takes the database away in the middle of a pass.
func TestServerStopsAndStarts(t *testing.T) {
	if _, err := exec.LookPath("mariadbd"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no mariadbd to stop and start")
	}
	dir := filepath.Join(t.TempDir(), "m")
	port := freePort(t)
	control := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("../scripts/mariadb", args...).CombinedOutput(); err != nil {
			t.Fatalf("mariadb %q: %v\n%s", args, err, out)
		}
	}
	control("start", dir, port)
	t.Cleanup(func() { control("stop", dir) })
	o := databasetest.Server(t, "movies:movies@tcp(127.0.0.1:"+port+")/")
	s, want := filled(t, o, 1500, 7)
	p := s.start(t, "worker")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < 1300 })
	control("stop", dir)
	p.logs(t, `"level":"ERROR"`)
	left := len(s.keys(t))
	control("start", dir, port)
	waitFor(t, "the folder to be empty", func() bool { return len(s.keys(t)) == 0 })
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if left == 0 {
		t.Error("the server went away too late to matter")
	}
	checkSame(t, want, o)
}
