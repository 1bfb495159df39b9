package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Limits of one statement. A batch has some ten thousand rows and each statement costs a
// round trip, but servers refuse packets over max_allowed_packet (16 MiB and up).
const (
	bulkRows  = 256
	bulkBytes = 1 << 20
	// MaxTuples bounds a list of (title, year) or (name, movie_id); up to here the engines
	// use the index.
	MaxTuples = 500
)

// Insertion is an INSERT of any number of rows.
type Insertion struct {
	Head    string // the text before VALUES
	Columns int
	Tail    string
}

func (in Insertion) statement(rows int) string {
	return in.Head + " VALUES " + Tuples(rows, in.Columns) + in.Tail
}

// Tuples returns (?,?),(?,?),...
func Tuples(rows, columns int) string {
	one := "(" + strings.Repeat(",?", columns)[1:] + ")"
	return strings.Repeat(","+one, rows)[1:]
}

// Insert inserts all rows. args holds their values, row after row.
func Insert(ctx context.Context, tx *sql.Tx, in Insertion, args []any) error {
	for len(args) > 0 {
		rows := chunk(args, in.Columns)
		if _, err := tx.ExecContext(ctx, in.statement(rows), args[:rows*in.Columns]...); err != nil {
			return fmt.Errorf("%s: %w", in.Head, err)
		}
		args = args[rows*in.Columns:]
	}
	return nil
}

// chunk returns how many rows of args fit into one statement, at least one.
func chunk(args []any, columns int) int {
	size := 0
	for row := 0; row < len(args)/columns; row++ {
		for _, arg := range args[row*columns : (row+1)*columns] {
			switch v := arg.(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
		}
		if row > 0 && size > bulkBytes || row == bulkRows {
			return row
		}
	}
	return len(args) / columns
}

// DeletePairs deletes the rows whose two columns equal one of the pairs in args.
func (db *DB) DeletePairs(ctx context.Context, tx *sql.Tx, table, first, second string, args []any) error {
	for len(args) > 0 {
		n := min(len(args), 2*MaxTuples)
		//nolint:gosec // made of constants
		query := "DELETE FROM " + table + " WHERE " + db.In(first, second, n/2)
		if _, err := tx.ExecContext(ctx, query, args[:n]...); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
		args = args[n:]
	}
	return nil
}

// Querier is a *sql.DB or a *sql.Tx.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
