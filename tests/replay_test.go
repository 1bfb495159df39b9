package tests

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// versioned returns a bucket with versioning, on a server for one test.
func versioned(t *testing.T) s3Bucket {
	t.Helper()
	t.Setenv("VGW_VERSIONING_DIR", t.TempDir())
	t.Setenv(s3Variable, "http://127.0.0.1:"+startPrivate(t, "versitygw").port)
	b := newS3Bucket(t).(s3Bucket)
	_, err := b.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &b.name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wave returns updates of 60 movies, one object each, with different names in each wave and
// some tombstones. All waves use the same keys.
func wave(n int) map[string][]byte {
	objects := map[string][]byte{}
	for i := range 60 {
		update := fmt.Sprintf(`{"title": "film %d", "year": 2000, "cast": ["a%d", "b%d"], "genres": ["g%d"]}`, i, n, i%7, n)
		if (i+n)%9 == 0 {
			update = fmt.Sprintf(`{"title": "film %d", "year": 2000, "deleted": true}`, i)
		}
		objects[fmt.Sprintf("%02d.json", i)] = []byte(update)
	}
	return objects
}

// TestReplay restores a lost database, and an old copy, from the bucket's versions. versitygw
// gives a version the time at which it was overwritten or deleted; S3 keeps the version's own
// time. The waves are therefore some time apart, and the test ignores stamps.
func TestReplay(t *testing.T) {
	b := versioned(t)
	next := func(n int) { time.Sleep(1100 * time.Millisecond); putAll(t, b, wave(n)) }
	lost := newSite(t, databasetest.SQLite(t), b)
	next(1)
	lost.drain(t)
	before := lost.exported(t)
	old := filepath.Join(t.TempDir(), "old.sqlite")
	databasetest.Exec(t, databasetest.Raw(t, lost.database), "VACUUM INTO '"+old+"'")
	time.Sleep(1100 * time.Millisecond)
	then := time.Now().UTC()
	for n := 2; n <= 3; n++ {
		next(n)
		lost.drain(t)
	}
	want := lost.exported(t)

	empty := newSite(t, databasetest.SQLite(t), b)
	empty.replays(t, true)
	checkExported(t, "an empty database", want, empty)
	empty.replays(t, false)
	checkExported(t, "the second time", want, empty)
	empty.output(t, "verify")

	past := newSite(t, databasetest.SQLite(t), b)
	past.replays(t, true, "--until", then.Format(time.RFC3339))
	checkExported(t, "until then", before, past)

	part := newSite(t, databasetest.SQLite(t), b)
	part.replays(t, true, "--prefix", "1")
	if n := len(part.exported(t)); n == 0 || n > 10 {
		t.Errorf("%d movies of the prefix 1", n)
	}

	copied := newSite(t, database.Options{File: old}, b)
	w := copied.start(t, "worker")
	next(4)
	copied.replays(t, true, "--since", then.Format(time.RFC3339))
	waitFor(t, "the bucket to be empty", func() bool { return len(b.keys(t)) == 0 })
	if code := w.stop(t); code != 0 {
		t.Errorf("worker: exit %d", code)
	}
	whole := newSite(t, databasetest.SQLite(t), b)
	whole.replays(t, true)
	checkExported(t, "an old copy, beside a worker", whole.exported(t), copied)
}

// TestReplayAfterFailOver kills a database server whose replica is behind, and promotes the
// replica. The objects of the commits that it lacks are deleted; replay gets them back.
func TestReplayAfterFailOver(t *testing.T) {
	needMariaDB(t)
	b, r := versioned(t), newReplicated(t)
	primary := newSite(t, privateDatabase(t, "mariadb", r.primary), b)
	t.Cleanup(func() { r.primary.start(t) }) // for the test's database to be dropped
	promoted := primary.database
	promoted.Port = number(t, r.replica.port)
	replica := newSite(t, promoted, b)
	admin := r.replica.admin(t)
	moviesOnReplica := func() (n int) {
		err := admin.QueryRowContext(t.Context(), "SELECT count(*) FROM "+promoted.Name+".movie").Scan(&n)
		if err != nil {
			t.Log(err) // the database is not there yet
		}
		return n
	}
	putAll(t, b, wave(1))
	primary.drain(t)
	waitFor(t, "the replica to have the first wave", func() bool { return moviesOnReplica() == 60 })
	r.tell(t, "STOP SLAVE SQL_THREAD") // it receives what follows, and is behind with it
	since := time.Now()
	time.Sleep(1100 * time.Millisecond)
	putAll(t, b, wave(2))
	primary.drain(t)
	r.primary.kill(t)
	r.tell(t, "STOP SLAVE")
	r.tell(t, "RESET SLAVE ALL")

	w := replica.start(t, "worker")
	time.Sleep(1100 * time.Millisecond)
	putAll(t, b, map[string][]byte{"new.json": []byte(`{"title": "film 1", "year": 2000, "genres": ["after the fail-over"]}`)})
	replica.replays(t, true, "--since", since.UTC().Format(time.RFC3339))
	waitFor(t, "the bucket to be empty", func() bool { return len(b.keys(t)) == 0 })
	if code := w.stop(t); code != 0 {
		t.Errorf("worker: exit %d", code)
	}
	replica.output(t, "verify")
	whole := newSite(t, databasetest.SQLite(t), b)
	whole.replays(t, true)
	checkExported(t, "after the fail-over", whole.exported(t), replica)
}

// exported returns the lines of the export without ids, sorted.
func (s *site) exported(t *testing.T) []string {
	t.Helper()
	ids := regexp.MustCompile(`"id": \d+, |, "self_url": "[^"]*"`)
	lines := strings.Split(strings.TrimSpace(ids.ReplaceAllString(string(s.output(t, "export")), "")), "\n")
	slices.Sort(lines)
	return lines
}

func checkExported(t *testing.T, what string, want []string, s *site) {
	t.Helper()
	if diff := cmp.Diff(want, s.exported(t)); diff != "" || len(want) < 50 {
		t.Errorf("%s: the catalogue differs (-want +got):\n%.2000s", what, diff)
	}
}

// replays runs jpmovies replay and checks whether it changes movies.
func (s *site) replays(t *testing.T, changes bool, args ...string) {
	t.Helper()
	out := s.output(t, append([]string{"replay"}, args...)...)
	m := regexp.MustCompile(`^(\d+) updates applied again, (\d+) movies changed, \d+ updates rejected, 0 versions gone, in `).FindSubmatch(out)
	if m == nil || string(m[1]) == "0" || changes == (string(m[2]) == "0") {
		t.Errorf("replay %q: %s", args, out)
	}
}

// TestReplayNeedsVersions: replay rejects a bucket without versions, and wrong times, and
// names the remedy.
func TestReplayNeedsVersions(t *testing.T) {
	s := newSite(t, databasetest.SQLite(t), newS3Bucket(t))
	folder := newSite(t, databasetest.SQLite(t), newFolder(t))
	for _, test := range []struct {
		site *site
		args []string
		code int
		said string
	}{
		{s, nil, 1, "enable versioning"},
		{folder, nil, 2, "a folder, which keeps no versions"},
		{s, []string{"--since", "yesterday"}, 2, `--since is "yesterday", expected a time such as`},
		{s, []string{"--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"}, 2, "--until is before --since"},
	} {
		command := exec.Command(binary, append([]string{"replay"}, test.args...)...)
		command.Env = test.site.env
		out, _ := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.said) {
			t.Errorf("replay %q: exit %d, %s; expected %d, %q", test.args, code, out, test.code, test.said)
		}
	}
}
