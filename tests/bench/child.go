package main

import (
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childFlag makes this program one of the bare servers that are the limits of
// the API: they are processes of their own, as the API is.
const childFlag = "-child"

// child serves: "static ADDR FILE" or "select ADDR DSN".
func child(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: bench -child static|select ADDR FILE|DSN")
	}
	handler, err := map[string]func(string) (http.Handler, error){"static": staticHandler, "select": selectHandler}[args[0]](args[2])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &http.Server{Addr: args[1], Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// recorded is an answer of the API, to be given again.
type recorded struct {
	Header http.Header
	Body   []byte
}

// staticHandler gives recorded answers, by path and query, and 304 to whoever
// has them.
func staticHandler(file string) (http.Handler, error) {
	text, err := os.ReadFile(file) //nolint:gosec // written by our parent
	if err != nil {
		return nil, err
	}
	var answers map[string]recorded
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.RequestURI()]
		if !known {
			http.NotFound(w, r)
			return
		}
		header := w.Header()
		for name, values := range answer.Header {
			header[name] = values
		}
		if tag := r.Header.Get("If-None-Match"); tag != "" && tag == answer.Header.Get("ETag") {
			header.Del("Content-Length")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(answer.Body)
	}), nil
}

// pageQuery is what the program asks for a page: by hand, so that the limit
// stays what it is when the program changes.
const pageQuery = "SELECT STRAIGHT_JOIN m.id, m.fields FROM movie m FORCE INDEX (PRIMARY) " +
	"WHERE m.hidden = 0 AND m.id < ? ORDER BY m.id DESC LIMIT ?"

// movieQuery is what it asks for a single movie.
const movieQuery = "SELECT id, fields FROM movie WHERE id = ? AND hidden = 0"

// selectHandler reads a page, or a movie, and writes it: through the same driver, with as
// many connections.
func selectHandler(dsn string) (http.Handler, error) {
	db, err := openPool(dsn)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, args := pageQuery, []any{r.URL.Query().Get("start"), pageSize + 1}
		if id, one := strings.CutPrefix(r.URL.Path, "/movies/"); one {
			query, args = movieQuery, []any{id}
		}
		body, err := readMovies(r.Context(), db, query, args)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) //nolint:gosec // JSON of our own making
	}), nil
}

func readMovies(ctx context.Context, db *sql.DB, query string, args []any) ([]byte, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	body := []byte(`{"movies": [` + "\n")
	for rows.Next() {
		var id int64
		var fields []byte
		if err := rows.Scan(&id, &fields); err != nil {
			return nil, err
		}
		body = fmt.Appendf(body, `{"id": %d, %s, "self_url": "/movies/%d"},`+"\n", id, fields, id)
	}
	return body, rows.Err()
}

// pageSize is what a page of the API has by default.
const pageSize = 25

// spawn starts a bare server and waits until it can be reached.
func (b *bench) spawn(kind, argument string) (*server, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	s, err := b.serve(self, os.Environ(), childFlag, kind, addr, argument)
	if err != nil {
		return nil, "", err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return s, addr, c.Close()
		}
		if time.Now().After(end) {
			return nil, "", errors.Join(err, s.stop())
		}
	}
}
