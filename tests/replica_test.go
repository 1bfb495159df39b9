package tests

import (
	"database/sql"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// replicated is a database server and its replica.
type replicated struct {
	mu               sync.Mutex
	primary, replica privateServer
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{
		primary: startPrivate(t, "mariadb", "--log-bin", "--log-slave-updates", "--server-id=1"),
		replica: startPrivate(t, "mariadb", "--log-bin", "--log-slave-updates", "--server-id=2"),
	}
	r.follow(t, "")
	return r
}

// follow makes the replica follow the primary.
func (r *replicated) follow(t *testing.T, how string) {
	t.Helper()
	r.tell(t, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+r.primary.port+
		", MASTER_USER='movies', MASTER_PASSWORD='movies', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"+how)
	r.tell(t, "START SLAVE")
}

// addresses returns where the two are now.
func (r *replicated) addresses() (primary, replica string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return "127.0.0.1:" + r.primary.port, "127.0.0.1:" + r.replica.port
}

// handOver makes the replica the primary, and the primary its replica. The primary commits
// nothing more when it begins; lead makes clients use the addresses of after it.
func (r *replicated) handOver(t *testing.T, lead func()) {
	t.Helper()
	old, err := r.primary.admin(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	tell := func(statement string) {
		if _, err := old.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	tell("FLUSH TABLES WITH READ LOCK")
	var last string
	if err := old.QueryRowContext(t.Context(), "SELECT @@gtid_binlog_pos").Scan(&last); err != nil {
		t.Fatal(err)
	}
	var reached int
	if err := r.replica.admin(t).QueryRowContext(t.Context(), "SELECT MASTER_GTID_WAIT(?, 60)", last).Scan(&reached); err != nil || reached != 0 {
		t.Fatalf("the replica does not reach %s: %d, %v", last, reached, err)
	}
	r.tell(t, "STOP SLAVE")
	r.tell(t, "RESET SLAVE ALL")
	r.mu.Lock()
	r.primary, r.replica = r.replica, r.primary
	r.mu.Unlock()
	lead()
	// What waits for the lock must not be committed when that is released.
	others := "SELECT id FROM information_schema.processlist WHERE user = 'movies' AND id <> CONNECTION_ID() AND id <> " + idOf(t, old)
	admin := r.replica.admin(t)
	waitFor(t, "the other connections to end", func() bool {
		ids := texts(t, admin, others)
		for _, id := range ids {
			_, _ = old.ExecContext(t.Context(), "KILL "+id) // it may be gone
		}
		return len(ids) == 0
	})
	tell("UNLOCK TABLES")
	r.follow(t, ", MASTER_DEMOTE_TO_SLAVE=1")
}

func idOf(t *testing.T, conn *sql.Conn) (id string) {
	t.Helper()
	if err := conn.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// admin returns connections to a database server.
func (p privateServer) admin(t *testing.T) *sql.DB {
	t.Helper()
	return databasetest.Raw(t, database.Options{User: "movies", Password: "movies", Host: "127.0.0.1", Port: number(t, p.port)})
}

// tell runs a statement on the replica.
func (r *replicated) tell(t *testing.T, statement string) {
	t.Helper()
	admin := r.replica.admin(t)
	defer func() { _ = admin.Close() }()
	if _, err := admin.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// aged requests a page, and returns its status, body and age in seconds.
func aged(t *testing.T, url string) (code int, body string, age int) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := response.Header.Get("Age"); text != "" {
		age = number(t, text)
	}
	return response.StatusCode, string(read), age
}

// TestReadReplica: the API reads from a replica and reports its lag, also at the start.
// Primary and replica may each go away.
func TestReadReplica(t *testing.T) {
	t.Parallel()
	needMariaDB(t)
	r := newReplicated(t)
	s := newSite(t, databasetest.Server(t, "movies:movies@tcp(127.0.0.1:"+r.primary.port+")/"), newFolder(t))
	s.env = append(s.env, "MOVIES_DB_READ_HOST=127.0.0.1:"+r.replica.port)
	add := func(title string) {
		s.put(t, title+".json", []byte(`{"title": "`+title+`", "year": 2000}`))
		s.drain(t)
	}
	add("first")
	p := s.start(t, "api")
	api, admin := p.apiOf(t), p.adminOf(t, "API starts")
	waitFor(t, "the replica to have the schema", func() bool { return status(admin+"/readyz") == http.StatusOK })
	shows := func(title string) (shown bool, age int) {
		code, body, age := aged(t, api+"/movies?title="+title)
		if code != http.StatusOK {
			t.Fatalf("status %d: %s", code, body)
		}
		return strings.Contains(body, title+`"`), age
	}
	current := func(title string) func() bool {
		return func() bool { shown, age := shows(title); return shown && age == 0 }
	}
	waitFor(t, "the replica to have the movie", current("first"))

	r.tell(t, "STOP SLAVE SQL_THREAD")
	add("second")
	waitFor(t, "the age to be said", func() bool { _, age := shows("first"); return age >= 2 })
	if shown, age := shows("second"); shown || age < 2 {
		t.Errorf("a replica that stands still: shown %v, age %d", shown, age)
	}
	if lag, err := strconv.ParseFloat(metric(t, admin, "movies_api_replica_lag_seconds"), 64); err != nil || lag < 2 {
		t.Errorf("lag %v s, %v", lag, err)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	p = s.start(t, "api")
	api, admin = p.apiOf(t), p.adminOf(t, "API starts")
	waitFor(t, "the new API to be ready", func() bool { return status(admin+"/readyz") == http.StatusOK })
	if shown, age := shows("second"); shown || age < 2 {
		t.Errorf("the API that has just started: shown %v, age %d", shown, age)
	}
	r.tell(t, "START SLAVE SQL_THREAD")
	waitFor(t, "the replica to catch up", current("second"))

	r.primary.run(t, "stop", r.primary.dir)
	p.logs(t, "how far the replica is behind is not known")
	waitFor(t, "the age to be said", func() bool { shown, age := shows("second"); return shown && age >= 2 })
	if got := status(admin + "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz without the primary: %d", got)
	}
	r.primary.start(t)
	p.logs(t, "how far the replica is behind is known again")
	add("third")
	waitFor(t, "the replica to go on", current("third"))

	r.replica.run(t, "stop", r.replica.dir)
	waitFor(t, "the age to be said", func() bool { shown, age := shows("third"); return shown && age >= 2 })
	if code, body, _ := aged(t, api+"/movies/1/history"); code != http.StatusServiceUnavailable {
		t.Errorf("without the replica: %d %s", code, body)
	}
	r.replica.start(t)
	waitFor(t, "the API to come back", current("third"))
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}
