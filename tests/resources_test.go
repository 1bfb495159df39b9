package tests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"jpmovies/internal/bucket/dirbucket"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/worker"
)

// smallDisk mounts a disk of that many MiB, limited to that many files unless files is 0.
func smallDisk(t *testing.T, mib, files int) string {
	t.Helper()
	dir, err := mountDisk(t, mib, files)
	if err != nil {
		t.Skipf("no small disk: it cannot be mounted: %v", err)
	}
	return dir
}

func mountDisk(t *testing.T, mib, files int) (string, error) {
	t.Helper()
	dir := t.TempDir()
	options := fmt.Sprintf("size=%dm", mib)
	if files > 0 {
		options += fmt.Sprintf(",nr_inodes=%d", files)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return "", err
	}
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if err := syscall.Unmount(dir, 0); err == nil || time.Now().After(end) {
				if err != nil {
					t.Error(err)
				}
				return
			}
		}
	})
	return dir, nil
}

// startOnSmallDisk starts a server whose data is on a disk of its own, if one can be mounted.
func startOnSmallDisk(t *testing.T, script string, options ...string) privateServer {
	t.Helper()
	disk, err := mountDisk(t, 1024, 0)
	if err != nil {
		return startPrivate(t, script, options...)
	}
	p := onDisk(t, script, disk, options...)
	p.start(t)
	t.Cleanup(func() { p.run(t, "stop", p.dir) })
	return p
}

// disk returns the disk that the server has for its data, or "".
func (p privateServer) disk() string {
	data, err := os.Readlink(filepath.Join(p.dir, "data"))
	if err != nil {
		return ""
	}
	return filepath.Dir(data)
}

// onDisk returns a server, not yet started, whose data is on the disk.
func onDisk(t *testing.T, script, disk string, options ...string) privateServer {
	t.Helper()
	p := privateServer{"../scripts/" + script, filepath.Join(t.TempDir(), "s"), freePort(t), options}
	data := filepath.Join(disk, "data")
	if err := errors.Join(os.MkdirAll(p.dir, 0o755), os.Mkdir(data, 0o755), os.Symlink(data, filepath.Join(p.dir, "data"))); err != nil {
		t.Fatal(err)
	}
	return p
}

// fill uses up the free space of a disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ".ballast"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, piece := range []int{1 << 20, 4096} {
		for {
			if _, err = f.Write(make([]byte, piece)); err != nil {
				break
			}
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// fillNames uses up the free inodes of a disk.
func fillNames(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		f, err := os.Create(filepath.Join(dir, ".ballast-"+strconv.Itoa(i)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func removeBallast(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, ".ballast*"))
	for _, name := range all {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		t.Error(err)
	}
}

// shortage is a resource that runs out while a worker drains, and comes back.
type shortage struct {
	database database.Options
	bucket   string
	take     func(t *testing.T, worker int)
	back     func(t *testing.T, worker int)
	tend     func(t *testing.T) // called again and again after that, if not nil
	logged   []string           // one of these is in the log
	unready  bool               // whether /readyz reports it, too
	objects  int                // in the bucket: so many that some are left when the resource ends
}

// bulky returns objects about many movies, so that the database grows.
func bulky(random *rand.Rand, n int) (objects []stored) {
	modified := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for i := range n {
		body := randomUpdate(random)
		for j := range 20 {
			body += fmt.Sprintf(`{"title": "film %d of %d", "year": 2000, "cast": ["%s %d"], "genres": ["g%d"]}`+"\n", j, i, strings.Repeat("n", 200), i*j, j)
		}
		objects = append(objects, stored{fmt.Sprintf("%05d", i), modified.Add(time.Duration(i) * time.Millisecond), []byte(body)})
	}
	return objects
}

// TestResourcesEnd exhausts a resource in the middle of a drain. The worker reports it, loses
// nothing, and recovers by itself when the resource is back.
func TestResourcesEnd(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) shortage{
		"disk of the SQLite file": func(t *testing.T) shortage {
			dir := smallDisk(t, 64, 0)
			return shortage{
				database: database.Options{File: filepath.Join(dir, "movies.sqlite"), Create: true, Logger: slog.New(slog.DiscardHandler)}, bucket: t.TempDir(),
				take: func(t *testing.T, _ int) { fill(t, dir) }, back: func(t *testing.T, _ int) { removeBallast(t, dir) }, logged: []string{"full"}, objects: 400, unready: true,
			}
		},
		"disk of MariaDB": func(t *testing.T) shortage {
			needMariaDB(t)
			dir := smallDisk(t, 256, 0)
			server := onDisk(t, "mariadb", dir, "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M")
			server.start(t)
			t.Cleanup(func() { server.kill(t) })
			return shortage{
				database: databasetest.Server(t, "movies:movies@tcp(127.0.0.1:"+server.port+")/"), bucket: t.TempDir(),
				take: func(t *testing.T, _ int) { fill(t, dir) }, unready: true,
				logged: []string{"full", "refused"}, objects: 1000, // a table is full, or the server ends itself
				back: func(t *testing.T, _ int) { removeBallast(t, dir) },
				tend: func(t *testing.T) {
					if server.ended(t) { // on a full disk it may end itself, also later; a supervisor would restart it
						server.start(t)
					}
				},
			}
		},
		"file descriptors": func(t *testing.T) shortage {
			limit := func(t *testing.T, worker int, files string) {
				t.Helper()
				if out, err := exec.Command("prlimit", "--pid", strconv.Itoa(worker), "--nofile="+files+":1024").CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			return shortage{
				database: databasetest.SQLite(t), bucket: t.TempDir(),
				take: func(t *testing.T, worker int) { limit(t, worker, "4") }, back: func(t *testing.T, worker int) { limit(t, worker, "1024") }, logged: []string{"too many open files"}, objects: 400,
			}
		},
	} {
		t.Run(name, func(t *testing.T) { testShortage(t, prepare(t)) })
	}
}

func testShortage(t *testing.T, r shortage) {
	objects := bulky(rand.New(rand.NewPCG(randomSeed(t), 0)), r.objects)
	s := newSite(t, r.database, folder{r.bucket})
	for _, o := range objects {
		if err := putDurably(r.bucket, o); err != nil {
			t.Fatal(err)
		}
	}
	s.env = append(s.env, "MOVIES_WORKER_BATCH=20", "MOVIES_WORKER_CONCURRENCY=2")
	w := s.start(t, "worker")
	admin := w.adminOf(t, "worker starts")
	waitFor(t, "the first objects to go", func() bool { return len(s.keys(t)) < len(objects)-5 })
	r.take(t, w.Process.Pid)
	started := time.Now()
	waitFor(t, "the log to tell of it", func() bool {
		return slices.ContainsFunc(r.logged, func(text string) bool { return strings.Contains(w.errors(), text) })
	})
	t.Logf("told after %s: %.300s", time.Since(started).Round(time.Millisecond), w.errors())
	if r.unready {
		waitFor(t, "not to be ready", func() bool { return status(admin+"/readyz") == http.StatusServiceUnavailable })
	}
	left := len(s.keys(t))
	if left == 0 {
		t.Error("all was drained before the resource had ended")
	}
	r.back(t, w.Process.Pid)
	back := time.Now()
	waitFor(t, "the bucket to be empty", func() bool {
		if r.tend != nil {
			r.tend(t)
		}
		return len(s.keys(t)) == 0
	})
	waitFor(t, "the worker to be ready", func() bool { return status(admin+"/readyz") == http.StatusOK })
	t.Logf("%d of %d objects were left; they were drained within %s", left, len(objects), time.Since(back).Round(time.Millisecond))
	if code := w.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	checkLawful(t, s, objects)
}

// errors returns the errors and warnings of the log.
func (p *process) errors() string {
	var all []string
	for line := range strings.SplitSeq(p.log(), "\n") {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) && !strings.Contains(line, "update rejected") {
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}

// checkLawful expects that the catalogue equals the merged objects and that all tables agree.
func checkLawful(t *testing.T, s *site, objects []stored) {
	t.Helper()
	verify := exec.Command(binary, "verify")
	verify.Env = s.env
	if out, err := verify.CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if diff := cmp.Diff(lawful(t, objects), withoutETags(content(t, s.database))); diff != "" {
		t.Errorf("the catalogue is not the sum of all updates (-want +got):\n%.4000s", diff)
	}
}

// TestFullBesideTheWorker: a full log, a full temp folder, little memory and few descriptors
// only slow a worker down.
func TestFullBesideTheWorker(t *testing.T) {
	full := smallDisk(t, 1, 0)
	fill(t, full)
	for name, command := range map[string]string{
		"log":         `exec "$0" worker --once 2>/dev/full`,
		"temp folder": `TMPDIR="$FULL" SQLITE_TMPDIR="$FULL" exec "$0" worker --once`,
		"memory":      `GOMEMLIMIT=12MiB exec "$0" worker --once`,
		"descriptors": `ulimit -n 20; exec "$0" worker --once`,
	} {
		t.Run(name, func(t *testing.T) {
			objects := bulky(rand.New(rand.NewPCG(randomSeed(t), 0)), 200)
			s := newSite(t, databasetest.SQLite(t), newFolder(t))
			for _, o := range objects {
				if err := putDurably(s.inbox.(folder).dir, o); err != nil {
					t.Fatal(err)
				}
			}
			c := exec.Command("bash", "-c", command, binary)
			c.Env = append(s.env, "FULL="+full)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%.4000s", err, out)
			}
			checkLawful(t, s, objects)
		})
	}
}

// TestFullFolder: a folder on a full disk is drained, which makes room.
func TestFullFolder(t *testing.T) {
	dir := smallDisk(t, 64, 500)
	objects := bulky(rand.New(rand.NewPCG(randomSeed(t), 0)), 400)
	s := newSite(t, databasetest.SQLite(t), folder{dir})
	for _, o := range objects {
		if err := putDurably(dir, o); err != nil {
			t.Fatal(err)
		}
	}
	fillNames(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	s.drain(t)
	checkLawful(t, s, objects)
}

// TestRequeueIntoFullFolder: if requeue finds no room, the update stays rejected. With room,
// requeue succeeds.
func TestRequeueIntoFullFolder(t *testing.T) {
	dir := smallDisk(t, 1, 0)
	s := newSite(t, databasetest.SQLite(t), folder{dir})
	s.put(t, "key", []byte(`{"title": "T", "year": "2000"}`))
	s.drain(t)
	requeue := func() (string, error) {
		c := exec.Command(binary, "rejections", "requeue", "1", "--file", "-")
		c.Env, c.Stdin = s.env, strings.NewReader(`{"title": "T", "year": 2000}`)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	fill(t, dir)
	if out, err := requeue(); err == nil || !strings.Contains(out, "no space left") {
		t.Errorf("into a full folder: %v, %s", err, out)
	}
	raw := databasetest.Raw(t, s.database)
	if got := texts(t, raw, "SELECT object_key FROM rejection"); len(got) != 1 {
		t.Errorf("rejections are %q", got)
	}
	removeBallast(t, dir)
	if out, err := requeue(); err != nil {
		t.Errorf("%v, %s", err, out)
	}
	w := s.start(t, "worker", "--once")
	w.exit(t)
	if got := texts(t, raw, "SELECT title FROM movie UNION ALL SELECT object_key FROM rejection"); len(got) != 1 || got[0] != "T" {
		t.Errorf("movies and rejections are %q", got)
	}
}

// TestClockMoves drains a folder while the clock jumps by years, back and forth. The catalogue
// is the same, since stamps come from the objects.
func TestClockMoves(t *testing.T) {
	objects := bulky(rand.New(rand.NewPCG(randomSeed(t), 0)), 100)
	var reads atomic.Int64
	now := func() time.Time {
		n := reads.Add(1)
		jumps := []time.Duration{0, 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour, time.Minute, -time.Minute}
		return time.Now().Add(jumps[n/20%int64(len(jumps))])
	}
	o := databasetest.SQLite(t)
	dir := t.TempDir()
	s := newSite(t, o, folder{dir})
	o.Now = now
	db, err := database.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	store, err := dirbucket.Open(dir, dirbucket.Options{Logger: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := putDurably(dir, o); err != nil {
			t.Fatal(err)
		}
	}
	w := worker.New(worker.Options{
		Store: store, Catalogue: catalogue.New(db), Prepare: func(context.Context) error { return nil }, Concurrency: 4, Batch: 10,
		IdleMin: time.Millisecond, IdleMax: time.Second, ShutdownTimeout: time.Second, KeepRejections: time.Hour, KeepChanges: time.Hour,
		Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	for range 100 { // a pass without progress ends Once
		if err = w.Once(t.Context()); err == nil {
			break
		}
	}
	if left := s.keys(t); err != nil || len(left) > 0 {
		t.Fatalf("%d objects are left: %v", len(left), err)
	}
	if reads.Load() < 100 {
		t.Errorf("the clock was read only %d times", reads.Load())
	}
	checkLawful(t, s, objects)
}
