package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/catalogue"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// errSecrets is an error whose text must not reach clients.
var errSecrets = errors.New("dial tcp 10.0.0.7:3306: SELECT fields: user movies")

// TestCatalogueAway: clients are told to retry; the log gives the cause.
func TestCatalogueAway(t *testing.T) {
	for name, err := range map[string]error{
		"plain":   errSecrets,
		"wrapped": fmt.Errorf("read movies: %w", errSecrets),
		// The client is still there: the catalogue's own time limit expired.
		"deadline": errors.Join(errSecrets, context.DeadlineExceeded),
		"canceled": errors.Join(errSecrets, context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			log := &logbook{}
			url := serve(t, &shelf{t: t, read: func(context.Context, string) error { return err }}, log.handler())
			for _, path := range []string{"/movies", "/movies?title=x", "/movies/1"} {
				before := len(log.String())
				got := ask(t, http.MethodGet, url+path)
				checkAway(t, path, got)
				if line := log.String()[before:]; !strings.Contains(line, errSecrets.Error()) || !strings.Contains(line, `"level":"ERROR"`) {
					t.Errorf("%s: log is %q", path, line)
				}
				checkAnswer(t, url, path, got)
			}
			quiet := strings.Count(log.String(), `"path"`) // looks at the catalogue are logged, too
			checkAnswer(t, url, "/", ask(t, http.MethodGet, url+"/"))
			checkProblem(t, "/movies?limit=0", ask(t, http.MethodGet, url+"/movies?limit=0"), http.StatusBadRequest)
			checkProblem(t, "/movies/0", ask(t, http.MethodGet, url+"/movies/0"), http.StatusNotFound)
			if strings.Count(log.String(), `"path"`) != quiet {
				t.Errorf("requests without fault of ours are logged: %s", log.String())
			}
		})
	}
}

func checkAway(t *testing.T, path string, got answer) {
	t.Helper()
	p := checkProblem(t, path, got, http.StatusServiceUnavailable)
	checkHeader(t, path, got, "Retry-After", "5")
	if !strings.Contains(p.Detail, "try again later") || strings.Contains(string(got.body), "10.0.0.7") {
		t.Errorf("%s: detail %q", path, p.Detail)
	}
	checkSafe(t, path, got)
}

// TestDatabaseAway repeats TestCatalogueAway with a real database: not migrated, then closed.
func TestDatabaseAway(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		engine, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		db := catalogue.New(engine)
		log := &logbook{}
		url := serve(t, db, log.handler())
		logged := func(path string) string {
			before := len(log.String())
			checkAway(t, path, ask(t, http.MethodGet, url+path))
			return log.String()[before:]
		}
		for _, cause := range []string{"movie", "closed"} { // "movie" is in the error about the missing table
			for _, path := range []string{"/movies", "/movies?genre=x", "/movies/1"} {
				if line := logged(path); !strings.Contains(line, cause) {
					t.Errorf("%s: log is %q, want the cause: %s", path, line, cause)
				}
			}
			_ = engine.Close()
			// Looks at the database that are in flight may still report the old cause.
			for began := time.Now(); !strings.Contains(logged("/movies"), "closed"); {
				if time.Since(began) > time.Minute {
					t.Fatalf("the database is closed, and the log is %q", log.String())
				}
			}
		}
	})
}

// TestClientGone: a client that leaves is not logged as an error, and the read for it continues,
// because other requests may share it. The client may have closed only its sending side, so it
// must not get an empty success.
func TestClientGone(t *testing.T) {
	for _, path := range []string{"/movies/1/history", "/changes", "/status", "/export"} {
		t.Run(path, func(t *testing.T) {
			log := &logbook{}
			ctx, leave := context.WithCancel(t.Context())
			s := stock(t)
			s.read = func(ctx context.Context, method string) error {
				if method == "Snapshot" || method == "Since" {
					return nil
				}
				leave()
				if ctx.Err() != nil {
					t.Errorf("%s: %s is ended with its client", path, method)
				}
				return errors.New("interrupted (9)")
			}
			w := httptest.NewRecorder()
			defer func() {
				if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // as net/http does
					t.Errorf("ends with %v, want the connection to be cut", v)
				}
				if text := log.String(); text != "" || w.Body.Len() > 0 {
					t.Errorf("log: %s, body: %s", text, w.Body)
				}
			}()
			start(t, s, log.handler()).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		})
	}
}

// TestHalfClosed: a client that closes its sending side after the request gets its answer, even
// when the API has to read it first or it comes later.
func TestHalfClosed(t *testing.T) {
	asked := make(chan struct{}, 1)
	answering := make(chan struct{})
	s := stock(t)
	s.read = func(_ context.Context, method string) error {
		if method != "Snapshot" && method != "Since" {
			asked <- struct{}{}
			<-answering
		}
		return nil
	}
	seen := make(chan struct{}, 1)
	handler := start(t, s, logless)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { seen <- struct{}{} }) // the server notices the end of the sending side
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	for path, want := range map[string]string{
		"/changes": `{"changes": [`, "/status": `{"revision":6`,
		"/export": five, "/changes?since=5&wait=1m": `{"changes": [`, "/movies/1/history": `{"history": [`,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		<-seen
		answering <- struct{}{}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), want) {
			t.Errorf("%s: %d %v %.200s", path, response.StatusCode, err, body)
		}
		_ = conn.Close()
	}
}

// TestConstantAnswers: answers without data do not wait for a database that hangs.
func TestConstantAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{t: t, read: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
		a := api.New(api.Options{Catalogue: s, Source: s, Logger: slog.New(logless), Staleness: time.Second, CacheBytes: 1})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { a.Run(ctx) })
		asked := time.Now()
		for _, path := range []string{"/", "/openapi.json", "/nothing"} {
			w := httptest.NewRecorder()
			a.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if path != "/nothing" && w.Code != http.StatusOK {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if took := time.Since(asked); took > 0 {
			t.Errorf("it took %s", took)
		}
		stop()
		running.Wait()
	})
}

// TestClientLeaves repeats TestClientGone over a connection that the client closes.
func TestClientLeaves(t *testing.T) {
	log := &logbook{}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	gone, done := make(chan struct{}), make(chan struct{})
	s := &shelf{t: t, read: func(_ context.Context, method string) error {
		if method == "History" {
			leave()
			<-gone
		}
		return nil
	}}
	handler := start(t, s, log.handler())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(gone) })
		handler.ServeHTTP(w, r)
		close(done)
	}))
	defer server.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/movies/1/history", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client.Do(request); err == nil {
		_ = response.Body.Close()
		t.Error("an answer came")
	}
	<-done
	if text := log.String(); text != "" {
		t.Errorf("log: %s", text)
	}
}

// TestAwayIsLogged: the log shows since when and why the catalogue cannot be read, even without
// requests. It gets one line a minute, not one for each poll.
func TestAwayIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		var away atomic.Bool
		away.Store(true)
		s := &shelf{t: t, read: func(context.Context, string) error {
			if away.Load() {
				return errSecrets
			}
			return nil
		}}
		_, end := startWith(t, api.Options{Catalogue: s, Logger: slog.New(log.handler()), Staleness: time.Second, CacheBytes: 1 << 20})
		time.Sleep(150 * time.Second)
		if n := strings.Count(log.String(), `"level":"WARN","msg":"the catalogue cannot be read","error":"load the catalogue: `+errSecrets.Error()); n != 3 {
			t.Errorf("%d lines in two and a half minutes, want 3: %s", n, log.String())
		}
		away.Store(false)
		time.Sleep(10 * time.Second)
		if n := strings.Count(log.String(), "the catalogue can be read again"); n != 1 {
			t.Errorf("%d lines that it is back, want 1: %s", n, log.String())
		}
		end()
	})
}
