package tests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// mixedInput returns objects about few movies: single updates and bulk, partial updates,
// tombstones, garbage.
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
	return fmt.Sprintf(`{"title": "film %d", "year": %d, "cast": ["a%d", "b%d"], "genres": ["h%d", "g%d"]}`+"\n",
		title, year, random.IntN(50), random.IntN(50), random.IntN(9), random.IntN(9))
}

// content returns the catalogue without the parts that depend on the order of arrival: the
// visible movies with their lists, the links, the stamps and the rejections.
func content(t *testing.T, o database.Options) []string {
	t.Helper()
	raw := databasetest.Raw(t, o)
	var all []string
	for _, query := range []string{
		"SELECT CONCAT_WS('|', hidden, fields, HEX(stamps)) FROM movie",
		"SELECT CONCAT_WS('|', 'cast', l.name, m.title, m.year) FROM movie_cast l JOIN movie m ON m.id = l.movie_id",
		"SELECT CONCAT_WS('|', 'genre', l.name, m.title, m.year) FROM movie_genre l JOIN movie m ON m.id = l.movie_id",
		"SELECT CONCAT_WS('|', 'rejection', object_key, object_etag, position, reason) FROM rejection",
		"SELECT CONCAT_WS('|', 'movies', movies) FROM catalogue",
		"SELECT CONCAT_WS('|', 'holes', c.revision - COUNT(l.revision)) FROM catalogue c LEFT JOIN change_log l ON 1 = 1 GROUP BY c.revision",
	} {
		all = append(all, texts(t, raw, query)...)
	}
	slices.Sort(all)
	return all
}

// undisturbed drains a copy of the folder into a database of its own and returns the content
// that the catalogue must end with.
func undisturbed(t *testing.T, original folder) []string {
	t.Helper()
	twin := newFolder(t).(folder)
	// -a keeps the modification times, which are part of the stamps.
	if out, err := exec.Command("cp", "-a", original.dir+"/.", twin.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o := server(t)
	newSite(t, o, twin).drain(t)
	return withoutETags(content(t, o))
}

// withoutETags drops the object ETag of rejections, since a copied file has a different one.
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

// filled returns a site whose folder holds mixed input, and the content that it must end with.
func filled(t *testing.T, o database.Options, objects int, seed uint64) (*site, []string) {
	t.Helper()
	s := newSite(t, o, newFolder(t))
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	putAll(t, s.inbox, mixedInput(random, objects))
	s.env = append(s.env, "MOVIES_WORKER_BATCH=40", "MOVIES_WORKER_CONCURRENCY=4")
	return s, undisturbed(t, s.inbox.(folder))
}

// kills returns how often a test kills: MOVIES_TEST_KILLS times, or else few.
func kills(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("MOVIES_TEST_KILLS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("MOVIES_TEST_KILLS: %v", err)
	}
	return n
}

// randomSeed returns a new seed each time and logs it.
func randomSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return seed
}

// TestKillWorker kills the worker with -9 at random moments of a drain.
func TestKillWorker(t *testing.T) {
	n := kills(t, 12)
	o := server(t)
	s := newSite(t, o, newS3Bucket(t))
	random := rand.New(rand.NewPCG(randomSeed(t), 0))
	putAll(t, s.inbox, mixedInput(random, 60*n))
	want := expected(t, s.inbox.(s3Bucket))
	s.env = append(s.env, "MOVIES_WORKER_BATCH=40", "MOVIES_WORKER_CONCURRENCY=4")
	killed := 0
	for i := range n {
		before := len(s.keys(t))
		p := s.start(t, "worker", "--once")
		if i%3 > 0 { // else at any moment, also during the start
			waitFor(t, "the worker to get on", func() bool { return p.hasEnded() || len(s.keys(t)) < before })
		}
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond) // a random moment, not a wait
		_ = p.Process.Kill()
		if p.exit(t) == -1 {
			killed++
		}
	}
	left := len(s.keys(t))
	s.drain(t)
	t.Logf("%d of %d workers were killed before they had finished; %d of %d objects were left", killed, n, left, 60*n)
	if killed == 0 {
		t.Error("no worker was killed before it had finished")
	}
	checkSame(t, want, o)
}

// privateServer is a server for one test, run by a script of the project.
type privateServer struct {
	script, dir, port string
	options           []string // for its start
}

func startPrivate(t *testing.T, script string, options ...string) privateServer {
	t.Helper()
	p := privateServer{"../scripts/" + script, filepath.Join(t.TempDir(), "s"), freePort(t), options}
	p.start(t)
	t.Cleanup(func() { p.run(t, "stop", p.dir) })
	return p
}

func (p privateServer) start(t *testing.T) {
	t.Helper()
	p.run(t, append([]string{"start", p.dir, p.port}, p.options...)...)
}

func (p privateServer) run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(p.script, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", p.script, args, err, out)
	}
}

// pid returns the server's process id.
func (p privateServer) pid(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (p privateServer) ended(t *testing.T) bool {
	t.Helper()
	return syscall.Kill(p.pid(t), 0) != nil
}

// kill kills the server with -9.
func (p privateServer) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.pid(t), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) { // a full disk may have ended it
		t.Fatal(err)
	}
	waitFor(t, "the killed server to end", func() bool { return p.ended(t) })
}

// TestKillServers kills the database and the S3 server with -9 while a worker runs.
func TestKillServers(t *testing.T) {
	needServers(t)
	for _, victim := range []string{"mariadb", "versitygw"} {
		t.Run(victim, func(t *testing.T) { testKillServer(t, victim, kills(t, 4)) })
	}
}

func testKillServer(t *testing.T, victim string, n int) {
	server := startPrivate(t, victim)
	o := privateDatabase(t, victim, server)
	if victim == "versitygw" {
		t.Setenv(s3Variable, "http://127.0.0.1:"+server.port)
	}
	s := newSite(t, o, newS3Bucket(t))
	random := rand.New(rand.NewPCG(randomSeed(t), 1))
	input := mixedInput(random, 100*n)
	putAll(t, s.inbox, input)
	want := expected(t, s.inbox.(s3Bucket))
	s.env = append(s.env, "MOVIES_WORKER_BATCH=10", "MOVIES_WORKER_CONCURRENCY=2")
	w := s.start(t, "worker")
	inTheMiddle := 0
	for i := range n {
		left := len(input) * (n - i) / (n + 1)
		waitFor(t, "the drain to go on", func() bool { return len(s.keys(t)) <= left })
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) // a random moment, not a wait
		server.kill(t)
		server.start(t)
		if len(s.keys(t)) > 0 {
			inTheMiddle++
		}
	}
	waitFor(t, "the bucket to be empty", func() bool { return len(s.keys(t)) == 0 })
	if code := w.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Logf("%s was killed %d times, %d times in the middle of the drain", victim, n, inTheMiddle)
	if inTheMiddle == 0 {
		t.Errorf("%s was never killed in the middle of the drain", victim)
	}
	checkSame(t, want, o)
}

// privateDatabase returns a database on p if p is a MariaDB, or else on the first configured
// server.
func privateDatabase(t *testing.T, victim string, p privateServer) database.Options {
	t.Helper()
	if victim == "mariadb" {
		return databasetest.Server(t, "movies:movies@tcp(127.0.0.1:"+p.port+")/")
	}
	return server(t)
}

// TestSIGTERM stops the worker in the middle of a drain: it commits and deletes the objects in
// flight, and leaves the others.
func TestSIGTERM(t *testing.T) {
	o := server(t)
	s, want := filled(t, o, 2000, 5)
	s.env = append(s.env, "MOVIES_WORKER_BATCH=5", "MOVIES_WORKER_CONCURRENCY=1") // so that the signal comes before the end
	p := s.start(t, "worker")
	p.logs(t, "worker starts")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < 2000 })
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	p.logs(t, "Stopping worker. Press one more time to exit immediately!")
	if left := len(s.keys(t)); left == 0 || left == 2000 {
		t.Errorf("the signal came at an end: %d objects left", left)
	}
	s.drain(t)
	checkSame(t, want, o)
}

// TestServerStopsAndStarts stops the database in the middle of a pass.
func TestServerStopsAndStarts(t *testing.T) {
	if _, err := exec.LookPath("mariadbd"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no mariadbd to stop and start")
	}
	private := startPrivate(t, "mariadb")
	o := databasetest.Server(t, "movies:movies@tcp(127.0.0.1:"+private.port+")/")
	s, want := filled(t, o, 1500, 7)
	p := s.start(t, "worker")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < 1300 })
	private.run(t, "stop", private.dir)
	p.logs(t, `"level":"ERROR"`)
	left := len(s.keys(t))
	private.start(t)
	waitFor(t, "the folder to be empty", func() bool { return len(s.keys(t)) == 0 })
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if left == 0 {
		t.Error("the server went away too late to matter")
	}
	checkSame(t, want, o)
}
