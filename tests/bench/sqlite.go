package main

import (
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// sqlite compares a bulk load into a file with an import by the sqlite3 shell. The shell
// imports only the rows of movie, about a sixth of all rows.
func (b *bench) sqlite(ctx context.Context) error {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		log.Print("  skipped: there is no sqlite3 (Debian's package sqlite3)")
		return nil
	}
	if err := b.makeCatalogue(ctx); err != nil {
		return err
	}
	rows := filepath.Join(b.dir, "movie.csv")
	query := fmt.Sprintf("SELECT id, title, year, hidden, fields, stamps FROM %s.movie ORDER BY id LIMIT %d", catalogueName, b.movies)
	if err := b.eachRow(ctx, query, rows, appendCSV); err != nil {
		return err
	}
	limit := func() (float64, error) {
		file, _, err := b.freshFile(ctx, b.subjects[0])
		if err != nil {
			return 0, err
		}
		began := time.Now()
		out, err := exec.CommandContext(ctx, shell, file, ".import --csv "+rows+" movie").CombinedOutput() //nolint:gosec // our paths
		took := time.Since(began)
		if err != nil || len(out) > 0 {
			return 0, errors.Join(err, fmt.Errorf("import: %.500s", out))
		}
		return perSecond(b.movies, took), nil
	}
	figures, err := b.one(ctx, limit, func(s subject) (float64, error) {
		_, env, err := b.freshFile(ctx, s)
		if err != nil {
			return 0, err
		}
		took, err := b.deliver(ctx, s, env, delivery{b.moviesDir(), written})
		return perSecond(b.movies, took), err
	})
	if err != nil {
		return err
	}
	b.table.add("bulk into SQLite; .import of movie alone", "movies/s", figures, nil)
	return nil
}

// freshFile returns a new, migrated SQLite file.
func (b *bench) freshFile(ctx context.Context, s subject) (file string, env []string, err error) {
	file = filepath.Join(b.dir, "movies.db")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", nil, err
		}
	}
	env = []string{"MOVIES_DB_FILE=" + file}
	_, err = b.command(ctx, s, "", environment(env...), "migrate")
	return file, env, err
}

// appendCSV appends a row. The last column is binary, which CSV cannot hold, so it is written
// in hexadecimal, twice as long.
func appendCSV(line []byte, values []sql.RawBytes) []byte {
	for i, value := range values {
		if i == len(values)-1 {
			value = hex.AppendEncode(nil, value)
		}
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, '"')
		for _, c := range value {
			if c == '"' {
				line = append(line, '"')
			}
			line = append(line, c)
		}
		line = append(line, '"')
	}
	return append(line, '\n')
}
