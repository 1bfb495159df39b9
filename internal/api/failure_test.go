package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jpmovies/internal/api"
	"jpmovies/internal/database"
	"jpmovies/internal/database/databasetest"
)

// secrets is a cause that must not reach strangers.
var errSecrets = errors.New("dial tcp 10.0.0.7:3306: SELECT fields: user movies")

// TestCatalogueAway: strangers are told to come back, operators why.
func TestCatalogueAway(t *testing.T) {
	for name, err := range map[string]error{
		"plain":   errSecrets,
		"wrapped": fmt.Errorf("read movies: %w", errSecrets),
		// Nobody went away here: the time that the catalogue gave itself ran out.
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
			quiet := log.String()
			checkAnswer(t, url, "/", ask(t, http.MethodGet, url+"/"))
			checkProblem(t, "/movies?limit=0", ask(t, http.MethodGet, url+"/movies?limit=0"), http.StatusBadRequest)
			checkProblem(t, "/movies/0", ask(t, http.MethodGet, url+"/movies/0"), http.StatusNotFound)
			if now := log.String(); now != quiet {
				t.Errorf("requests without fault of ours are logged: %s", now[len(quiet):])
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

// TestDatabaseAway is the same with real ones: not migrated, and closed.
func TestDatabaseAway(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, o database.Options) {
		db, err := database.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		log := &logbook{}
		url := serve(t, db, log.handler())
		for _, cause := range []string{"movie", "closed"} { // no such table: movie
			for _, path := range []string{"/movies", "/movies?genre=x", "/movies/1"} {
				before := len(log.String())
				checkAway(t, path, ask(t, http.MethodGet, url+path))
				if line := log.String()[before:]; !strings.Contains(line, cause) {
					t.Errorf("%s: log is %q, want the cause: %s", path, line, cause)
				}
			}
			_ = db.Close()
			time.Sleep(5 * staleness) // a look that has begun knows the old cause
		}
	})
}

// TestClientGone: a client that does not wait for the answer is no error of
// ours, and what is read for it goes on: others may want it.
func TestClientGone(t *testing.T) {
	for _, path := range []string{"/movies", "/movies/1", "/genres", "/changes", "/status", "/export"} {
		t.Run(path, func(t *testing.T) {
			log := &logbook{}
			ctx, leave := context.WithCancel(t.Context())
			answered := make(chan struct{})
			s := &shelf{t: t, read: func(ctx context.Context, method string) error {
				if method == "Revision" {
					return nil
				}
				leave()
				select {
				case <-answered:
				case <-ctx.Done():
				}
				return errors.New("interrupted (9)")
			}}
			w := httptest.NewRecorder()
			start(t, s, log.handler()).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			close(answered)
			if text := log.String(); text != "" || w.Body.Len() > 0 {
				t.Errorf("log: %s, body: %s", text, w.Body)
			}
		})
	}
}

// TestClientLeaves is the same over a connection, which the client closes.
func TestClientLeaves(t *testing.T) {
	log := &logbook{}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	done := make(chan struct{})
	s := &shelf{t: t, read: func(_ context.Context, method string) error {
		if method == "Movies" {
			leave()
			<-done
		}
		return nil
	}}
	handler := start(t, s, log.handler())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		close(done)
	}))
	defer server.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/movies", nil)
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

// TestAwayIsLogged: an operator finds in the log since when and why the catalogue
// cannot be read, without a request; a line a minute, not one a look.
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
		if n := strings.Count(log.String(), `"level":"WARN","msg":"the catalogue cannot be read","error":"`+errSecrets.Error()); n != 3 {
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
