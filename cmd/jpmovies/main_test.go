package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"jpmovies": main}) }

// TestScript drives the program from outside.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"query": query,
		},
	})
}

// exits runs a program and checks its exit code: exits 2 jpmovies nonsense. The output must
// never contain a stack trace.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	for _, trace := range []string{"goroutine ", "panic", ".go:"} {
		for _, out := range []string{"stdout", "stderr"} {
			if strings.Contains(ts.ReadFile(out), trace) {
				ts.Fatalf("%s holds %q", out, trace)
			}
		}
	}
}

// query prints the result of a query on a SQLite file, one row a line.
func query(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: query file sql")
	}
	db, err := sql.Open("sqlite", "file:"+ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = db.Close() }()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		ts.Check(rows.Scan(targets...))
		for i, v := range values {
			if i > 0 {
				_, _ = fmt.Fprint(ts.Stdout(), " | ")
			}
			_, _ = fmt.Fprint(ts.Stdout(), v.String)
		}
		_, _ = fmt.Fprintln(ts.Stdout())
	}
	ts.Check(rows.Err())
}
