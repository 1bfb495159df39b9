package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// A statement carries at most this many rows and bytes: a batch is some ten
// thousand rows, and each statement a round trip; servers refuse packets over
// max_allowed_packet (16 MiB and up).
const (
	bulkRows  = 256
	bulkBytes = 1 << 20
	// Tuples of a (title, year) or (name, movie_id) list; the engines still use
	// the index for that many.
	bulkTuples = 500
)

// insertion is an INSERT of many rows.
type insertion struct {
	head    string // up to VALUES
	columns int
	tail    string
}

func (in insertion) statement(rows int) string {
	return in.head + " VALUES " + tuples(rows, in.columns) + in.tail
}

// tuples is (?,?),(?,?),...
func tuples(rows, columns int) string {
	one := "(" + strings.Repeat(",?", columns)[1:] + ")"
	return strings.Repeat(","+one, rows)[1:]
}

// insert runs an insertion over all rows, whose values follow one another in
// args.
func insert(ctx context.Context, tx *sql.Tx, in insertion, args []any) error {
	for len(args) > 0 {
		rows := chunk(args, in.columns)
		if _, err := tx.ExecContext(ctx, in.statement(rows), args[:rows*in.columns]...); err != nil {
			return fmt.Errorf("%s: %w", in.head, err)
		}
		args = args[rows*in.columns:]
	}
	return nil
}

// chunk says how many rows of args fit into one statement: at least one.
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

// remove deletes the rows of a table that have one of the (name, movie_id) keys
// which follow one another in args.
func (db *DB) remove(ctx context.Context, tx *sql.Tx, table string, args []any) error {
	for len(args) > 0 {
		n := min(len(args), 2*bulkTuples)
		//nolint:gosec // made of constants
		query := "DELETE FROM " + table + " WHERE " + db.dialect.in("name", "movie_id", n/2)
		if _, err := tx.ExecContext(ctx, query, args[:n]...); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
		args = args[n:]
	}
	return nil
}
