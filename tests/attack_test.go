package tests

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"jpmovies/internal/database/databasetest"
)

// serving starts the API of a site with one movie in SQLite.
func serving(t *testing.T) (s *site, p *process, address string) {
	t.Helper()
	s = newSite(t, databasetest.SQLite(t), newFolder(t))
	s.put(t, "key", []byte(`{"title": "Film", "year": 2000, "cast": ["A"], "genres": ["G"]}`))
	s.drain(t)
	p = s.start(t, "api")
	return s, p, strings.TrimPrefix(p.apiOf(t), "http://")
}

// TestBrokenRequests sends malformed requests, byte by byte. The server refuses each or closes
// the connection. It never answers a second request that is hidden in the first, and still
// serves other clients.
func TestBrokenRequests(t *testing.T) {
	_, _, address := serving(t)
	const hidden = "GET /movies/1 HTTP/1.1\r\nHost: x\r\n\r\n"
	t.Run("requests", func(t *testing.T) { // ends when all parallel requests have ended
		for name, test := range map[string]struct {
			request string
			status  string // its beginning
			answers int
		}{
			"two lengths":             {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n" + hidden, "400", 1},
			"length and chunks":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "40", 1},
			"odd transfer encoding":   {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + hidden, "501", 1},
			"chunk size overflow":     {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + hidden, "40", 1},
			"negative length":         {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n" + hidden, "400", 1},
			"space before the colon":  {"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + hidden, "400", 1},
			"two hosts":               {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden, "400", 1},
			"no host":                 {"GET / HTTP/1.1\r\n\r\n" + hidden, "400", 1},
			"NUL in a header":         {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n" + hidden, "400", 1},
			"NUL in the path":         {"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, "400", 1},
			"broken escape":           {"GET /movies/%zz HTTP/1.1\r\nHost: x\r\n\r\n" + hidden, "400", 1},
			"no HTTP":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 200) + "\r\n\r\n", "400", 1},
			"future version":          {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505", 1},
			"large header":            {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n" + hidden, "431", 1},
			"many headers":            {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 100_000) + "\r\n" + hidden, "431", 1},
			"large URL":               {"GET /movies?title=" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", "4", 1},
			"header line without end": {"GET / HTTP/1.1\r\nHost: x\r\nA", "400", 1},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				statuses := exchange(t, address, test.request)
				if len(statuses) > test.answers || len(statuses) == 0 || !strings.HasPrefix(statuses[0], test.status) {
					t.Errorf("answers are %q, want one with %s", statuses, test.status)
				}
			})
		}
	})
	if got := status("http://" + address + "/movies/1"); got != http.StatusOK {
		t.Errorf("status %d afterwards", got)
	}
}

// exchange sends a request and returns the status of every response until the server closes
// the connection.
func exchange(t *testing.T, address, request string) []string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, request) // the server may close before it has read everything
	var statuses []string
	for answers := bufio.NewReader(c); ; {
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, response.Status)
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return statuses
		}
		if response.Close {
			return statuses
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second)) // wait for another response
	}
}

// TestIdleConnections opens thousands of connections that send nothing. The server serves
// other clients meanwhile and closes the silent connections.
func TestIdleConnections(t *testing.T) {
	n := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < uint64(n+500) {
		n = max(100, int(limit.Max)-500)
	}
	_, p, address := serving(t)
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	for range 100 {
		if got := status("http://" + address + "/movies"); got != http.StatusOK {
			t.Fatalf("status %d beside %d idle connections", got, n)
		}
	}
	admin := p.adminOf(t, "API starts")
	t.Logf("%d idle connections: %s of memory, %d goroutines", n, resident(t, admin), goroutines(t, admin))
	waitFor(t, "idle connections to be closed", func() bool { return goroutines(t, admin) < 100 })
}

// TestHostileParameters: SQL fragments and invalid UTF-8 are ordinary values, or give a 400.
func TestHostileParameters(t *testing.T) {
	_, _, address := serving(t)
	values := []string{
		"' OR 1=1 --", `" OR ""="`, "1; DROP TABLE movie", "') UNION SELECT 1,2 --", "%", "_", "\\", "\\'", "0x54", "NULL", "T\x00",
		"\x00", "\xff\xfe", "\xed\xa0\x80", "${jndi:ldap://x}", "../../etc/passwd", strings.Repeat("a", 5000), "\u202e", "1e309", "-1", "9223372036854775808",
	}
	for _, name := range []string{"title", "cast", "genre", "q", "year", "year_from", "year_to", "limit", "start"} {
		for _, value := range values {
			response, err := http.Get("http://" + address + "/movies?" + name + "=" + url.QueryEscape(value))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			var page struct{ Movies []film }
			switch failed := json.Unmarshal(body, &page); {
			case failed != nil:
				t.Errorf("%s=%.20q: no JSON: %s", name, value, body)
			case response.StatusCode != http.StatusOK && response.StatusCode != http.StatusBadRequest:
				t.Errorf("%s=%.20q: %s", name, value, response.Status)
			case len(page.Movies) > 0:
				t.Errorf("%s=%.20q finds a movie", name, value)
			}
		}
	}
}

// TestAPIOnlyReads runs the API with a database user that has only the SELECT privilege.
func TestAPIOnlyReads(t *testing.T) {
	o := server(t)
	s := newSite(t, o, newFolder(t))
	s.put(t, "key", []byte(`{"title": "T", "year": 2000, "cast": ["A"], "genres": ["G"]}`))
	s.drain(t)
	raw := databasetest.Raw(t, o)
	user := "reader_" + o.Name[len("test_"):]
	for _, statement := range []string{
		fmt.Sprintf("CREATE USER '%s'@'127.0.0.1' IDENTIFIED BY 'only-reads'", user),
		fmt.Sprintf("GRANT SELECT ON %s.* TO '%s'@'127.0.0.1'", o.Name, user),
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { dropUser(t, raw, user) })
	s.env = append(s.env, "MOVIES_DB_USER="+user, "MOVIES_DB_PASS=only-reads")
	api := s.serve(t)
	for _, path := range []string{
		"/", "/movies", "/movies/1", "/movies?q=t", "/movies?year_from=1999", "/movies?cast=A&genre=G&year=2000",
		"/changes", "/export", "/genres", "/years", "/people", "/suggest?q=a", "/status",
	} {
		get(t, api+path)
	}
}

func dropUser(t *testing.T, raw *sql.DB, user string) {
	if _, err := raw.ExecContext(context.Background(), "DROP USER '"+user+"'@'127.0.0.1'"); err != nil {
		t.Error(err)
	}
}
