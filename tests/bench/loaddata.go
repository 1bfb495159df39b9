package main

import (
	"bufio"
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// loaded lists the tables that a bulk load fills.
var loaded = []string{"movie", "movie_cast", "movie_genre", "change_log"}

// dump writes the rows of a finished database into files, ordered by primary key, the fastest
// order for LOAD DATA.
func (b *bench) dump(ctx context.Context, database string) (folder string, err error) {
	folder = filepath.Join(b.dir, "rows")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	for _, table := range loaded {
		err := b.eachRow(ctx, "SELECT * FROM "+database+"."+table, filepath.Join(folder, table), appendLoadable)
		if err != nil {
			return "", fmt.Errorf("dump %s: %w", table, err)
		}
	}
	return folder, nil
}

// eachRow formats each row of a query with appendRow and writes it to a file.
func (b *bench) eachRow(ctx context.Context, query, path string, appendRow func([]byte, []sql.RawBytes) []byte) error {
	rows, err := b.admin.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	f, err := os.Create(path) //nolint:gosec // in our folder
	if err != nil {
		return err
	}
	return errors.Join(writeRows(f, rows, appendRow), f.Close())
}

func writeRows(f io.Writer, rows *sql.Rows, appendRow func([]byte, []sql.RawBytes) []byte) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	out := bufio.NewWriter(f)
	var line []byte
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		line = appendRow(line[:0], values)
		_, _ = out.Write(line) // Flush returns the error
	}
	return errors.Join(rows.Err(), out.Flush())
}

// appendLoadable appends a row as LOAD DATA reads it by default.
func appendLoadable(line []byte, values []sql.RawBytes) []byte {
	for i, value := range values {
		if i > 0 {
			line = append(line, '\t')
		}
		for _, c := range value {
			switch c {
			case '\\', '\t', '\n':
				line = append(line, '\\', c)
			case 0:
				line = append(line, '\\', '0')
			default:
				line = append(line, c)
			}
		}
	}
	return append(line, '\n')
}

// load is the limit: it runs LOAD DATA for each table, one after the other.
func (b *bench) load(ctx context.Context, database, folder string) (time.Duration, error) {
	db, err := b.open(database)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }() // every statement was answered
	if err := db.PingContext(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, table := range loaded {
		if err := loadTable(ctx, db, table, filepath.Join(folder, table)); err != nil {
			return 0, fmt.Errorf("load %s: %w", table, err)
		}
	}
	return time.Since(began), nil
}

func loadTable(ctx context.Context, db *sql.DB, table, path string) error {
	f, err := os.Open(path) //nolint:gosec // in our folder
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	name := "bench-" + table
	mysql.RegisterReaderHandler(name, func() io.Reader { return f })
	defer mysql.DeregisterReaderHandler(name)
	_, err = db.ExecContext(ctx, strings.Join([]string{"LOAD DATA LOCAL INFILE 'Reader::" + name + "' INTO TABLE", table, "CHARACTER SET binary"}, " "))
	return err
}
