package tests

import (
	"database/sql"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// replicated is a database server and its replica.
type replicated struct {
	primary, replica privateServer
	source, follower []string // their options
	admin            *sql.DB  // of the replica
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{source: []string{"--log-bin", "--server-id=1"}, follower: []string{"--server-id=2"}}
	r.primary = startPrivate(t, "mariadb", r.source...)
	r.replica = startPrivate(t, "mariadb", r.follower...)
	r.admin = databasetest.Raw(t, database.Options{User: "movies", Password: "movies", Host: "127.0.0.1", Port: number(t, r.replica.port)})
	r.tell(t, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+r.primary.port+
		", MASTER_USER='movies', MASTER_PASSWORD='movies', MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos")
	r.tell(t, "START SLAVE")
	return r
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tell runs a statement on the replica.
func (r *replicated) tell(t *testing.T, statement string) {
	t.Helper()
	if _, err := r.admin.ExecContext(t.Context(), statement); err != nil {
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
	r.primary.run(t, append([]string{"start", r.primary.dir, r.primary.port}, r.source...)...)
	p.logs(t, "how far the replica is behind is known again")
	add("third")
	waitFor(t, "the replica to go on", current("third"))

	r.replica.run(t, "stop", r.replica.dir)
	waitFor(t, "the age to be said", func() bool { shown, age := shows("third"); return shown && age >= 2 })
	if code, body, _ := aged(t, api+"/movies/1/history"); code != http.StatusServiceUnavailable {
		t.Errorf("without the replica: %d %s", code, body)
	}
	r.replica.run(t, append([]string{"start", r.replica.dir, r.replica.port}, r.follower...)...)
	waitFor(t, "the API to come back", current("third"))
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}
