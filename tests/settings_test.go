package tests

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"jpmovies/internal/catalogue"
	"jpmovies/internal/catalogue/cataloguetest"
	"jpmovies/internal/database/databasetest"
	"jpmovies/internal/movie"
)

// settings are server options that other installations may have.
var settings = map[string][]string{
	"tables": {
		"--innodb-default-row-format=compact", "--default-storage-engine=Aria", "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
		"--autocommit=0", "--innodb-flush-log-at-trx-commit=2",
	},
	"gbk":    {"--character-set-server=gbk", "--skip-character-set-client-handshake", "--max-allowed-packet=1M", "--max-connections=20"},
	"latin1": {"--character-set-server=latin1", "--skip-character-set-client-handshake"},
}

func needMariaDB(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("mariadbd"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no mariadbd to set up otherwise")
	}
}

// needServers skips a test of private servers where there are none.
func needServers(t *testing.T) {
	t.Helper()
	needMariaDB(t)
	if os.Getenv(s3Variable) == "" {
		t.Skipf("no S3 server: %s is not set", s3Variable)
	}
}

// TestServerSettings: whatever the server's defaults are, tables are transactional, titles
// keep every byte, and no title runs as SQL.
func TestServerSettings(t *testing.T) {
	needMariaDB(t)
	for name, options := range settings {
		t.Run(name, func(t *testing.T) {
			private := startPrivate(t, "mariadb", options...)
			o := privateDatabase(t, "mariadb", private)
			engine := databasetest.Open(t, o)
			db := catalogue.New(engine)
			if name == "tables" {
				if _, err := databasetest.Raw(t, o).ExecContext(t.Context(), "SET GLOBAL max_prepared_stmt_count = 0"); err != nil {
					t.Fatal(err)
				}
			}
			if rows := texts(t, databasetest.Raw(t, o), "SELECT CONCAT(table_name, ' ', engine, ' ', row_format) FROM information_schema.tables"+
				" WHERE table_schema = DATABASE() AND (engine <> 'InnoDB' OR row_format <> 'Dynamic' AND table_name NOT LIKE 'schema_%')"); len(rows) != 0 {
				t.Errorf("tables are %q", rows)
			}
			socket := o
			socket.Host = filepath.Join(private.dir, "sock")
			checkTitles(t, cataloguetest.Open(t, socket))
			checkParallel(t, db)
			checkLarge(t, db)
			unsafe, err := engine.Durability(t.Context())
			if err != nil || (len(unsafe) > 0) != (name == "tables") {
				t.Errorf("commits may be lost: %q, %v", unsafe, err)
			}
		})
	}
}

// checkTitles stores titles with bytes that are special in SQL or in other encodings.
func checkTitles(t *testing.T, db *catalogue.Catalogue) {
	t.Helper()
	random := rand.New(rand.NewPCG(randomSeed(t), 0))
	pieces := []string{"縗", "誠", "é", "ß", "\u00bf", "\\", "'", `"`, "`", " OR 1=1 -- ", "%", "_", "a", "😀", ";", "/*", "\u0001"}
	var batch movie.Batch
	titles := make(map[string]string)
	for i := range 300 {
		title := fmt.Sprint(i)
		for range random.IntN(8) {
			title += pieces[random.IntN(len(pieces))]
		}
		title = movie.Clean(title)
		cast := []string{movie.Clean("x" + title)}
		titles[title] = string(movie.AppendNames(nil, cast))
		batch.Updates = append(batch.Updates, movie.Update{
			Identity: movie.Identity{Title: title, Year: 2000}, Cast: cast, Genres: cast, Stamp: movie.Stamp{Key: title, Position: 1},
		})
	}
	for range 2 {
		if _, err := db.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for title, cast := range titles {
		for _, filter := range []movie.Filter{{Title: title}, {Cast: []string{movie.Clean("x" + title)}}, {Genres: []string{movie.Clean("x" + title)}}} {
			rows, _, err := db.Movies(t.Context(), filter, 0, 10)
			if err != nil || len(rows) != 1 || !strings.Contains(string(rows[0].Fields), cast) {
				t.Fatalf("%+v finds %v, %v", filter, rows, err)
			}
		}
	}
}

// checkParallel runs more reads at a time than the server has connections.
func checkParallel(t *testing.T, db *catalogue.Catalogue) {
	t.Helper()
	var group errgroup.Group
	for range 300 {
		group.Go(func() error {
			_, _, err := db.Movies(t.Context(), movie.Filter{}, 0, 100)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// checkLarge writes movies that exceed a packet, together or alone.
func checkLarge(t *testing.T, db *catalogue.Catalogue) {
	t.Helper()
	large := func(title string, names int) movie.Update {
		cast := make([]string, names)
		for i := range cast {
			cast[i] = fmt.Sprintf("%0500d", i)
		}
		return movie.Update{Identity: movie.Identity{Title: title, Year: 1}, Cast: cast, Stamp: movie.Stamp{Key: title, Position: 1}}
	}
	for _, updates := range [][]movie.Update{{large("a", 1200), large("b", 1200), large("c", 1200)}, {large("d", 2080)}} {
		if _, err := db.Apply(t.Context(), movie.Batch{Updates: updates}); err != nil {
			t.Error(err)
		}
	}
}

// TestStatementLog: the program refuses a server whose binary log has the format STATEMENT.
// Log and /readyz name the setting to change.
func TestStatementLog(t *testing.T) {
	needMariaDB(t)
	private := startPrivate(t, "mariadb", "--log-bin=log", "--binlog-format=STATEMENT")
	s := newSite(t, privateDatabase(t, "mariadb", private), newFolder(t))
	s.put(t, "a.json", []byte(`{"title": "A", "year": 2000}`))
	w := s.start(t, "worker")
	w.logs(t, "binlog_format=ROW")
	ready := w.adminOf(t, "worker starts") + "/readyz"
	waitFor(t, "readiness to say it", func() bool {
		response, err := http.Get(ready)
		if err != nil {
			return false
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		return err == nil && response.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "binlog_format=ROW")
	})
	if keys := s.keys(t); len(keys) != 1 {
		t.Errorf("the object is gone: %q", keys)
	}
	if _, err := databasetest.Raw(t, s.database).ExecContext(t.Context(), "SET GLOBAL binlog_format = ROW"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the object to be applied", func() bool { return len(s.keys(t)) == 0 })
}

// TestFailOver: a primary that becomes read-only keeps its connections. The worker drops them
// at once, and resumes when the host name leads to a new primary; here the same server becomes
// writable again.
func TestFailOver(t *testing.T) {
	needMariaDB(t)
	private := startPrivate(t, "mariadb")
	o := privateDatabase(t, "mariadb", private)
	admin := databasetest.Raw(t, o)
	exec := func(query string) {
		if _, err := admin.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE OR REPLACE USER plain@'127.0.0.1' IDENTIFIED BY 'plain'")
	exec("GRANT ALL ON " + o.Name + ".* TO plain@'127.0.0.1'")
	cataloguetest.Open(t, o)
	o.User, o.Password = "plain", "plain"
	s := newSite(t, o, newFolder(t))
	s.env = append(s.env, "MOVIES_LOG_LEVEL=debug")
	s.put(t, "a.json", []byte(`{"title": "A", "year": 2000}`))
	w := s.start(t, "worker")
	waitFor(t, "the first object to be applied", func() bool { return len(s.keys(t)) == 0 })
	exec("SET GLOBAL read_only = 1")
	connections := func() string {
		return strings.Join(texts(t, admin, "SELECT id FROM information_schema.processlist WHERE user = 'plain' ORDER BY id"), " ")
	}
	before := connections()
	s.put(t, "b.json", []byte(`{"title": "B", "year": 2000}`))
	w.logs(t, "transaction will be retried") // logged at debug
	waitFor(t, "connections to the old primary to be given up", func() bool { return connections() != before })
	exec("SET GLOBAL read_only = 0")
	start := time.Now()
	waitFor(t, "the worker to go on", func() bool { return len(s.keys(t)) == 0 })
	t.Logf("applied %s after the fail-over", time.Since(start).Round(time.Millisecond))
}
