package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Limits of one statement. A batch has some ten thousand rows and each statement costs a
// round trip. But SQLite takes 32,766 arguments, so many rows times their columns, and servers
// refuse packets above max_allowed_packet, 4 MiB at least; escaping may double bulkBytes.
const (
	bulkRows  = 1024
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
		rows := chunk(args, in.Columns, bulkRows)
		if _, err := tx.ExecContext(ctx, in.statement(rows), args[:rows*in.Columns]...); err != nil {
			return fmt.Errorf("%s: %w", in.Head, err)
		}
		args = args[rows*in.Columns:]
	}
	return nil
}

// overwriteRows is the most rows of an Overwriting: the server compares each with half of
// the others.
const overwriteRows = 64

// Overwriting is an UPDATE of some columns of any number of rows, found by their ids. An
// INSERT that updates existing rows would do the same, but makes a TiDB server skip a block
// of ids for each row whose id another server has given.
type Overwriting struct {
	Table   string
	Columns []string
}

// statement returns the UPDATE, and where each of its arguments is in args.
func (o Overwriting) statement(rows int) (query string, order []int) {
	width := 1 + len(o.Columns)
	var text strings.Builder
	text.WriteString("UPDATE " + o.Table + " SET ")
	for c, column := range o.Columns {
		if c > 0 {
			text.WriteString(", ")
		}
		text.WriteString(column + " = CASE id" + strings.Repeat(" WHEN ? THEN ?", rows) + " END")
		for row := range rows {
			order = append(order, row*width, row*width+1+c)
		}
	}
	text.WriteString(" WHERE id IN " + Tuples(1, rows))
	for row := range rows {
		order = append(order, row*width)
	}
	return text.String(), order
}

// Overwrite updates all rows. args holds the id and the values of each row, row after row.
func Overwrite(ctx context.Context, tx *sql.Tx, o Overwriting, args []any) error {
	for width := 1 + len(o.Columns); len(args) > 0; {
		rows := chunk(args, width, overwriteRows)
		query, order := o.statement(rows)
		ordered := make([]any, len(order))
		for i, at := range order {
			ordered[i] = args[at]
		}
		if _, err := tx.ExecContext(ctx, query, ordered...); err != nil {
			return fmt.Errorf("update %s: %w", o.Table, err)
		}
		args = args[rows*width:]
	}
	return nil
}

// chunk returns how many rows of args, at most so many, fit into one statement; at least
// one.
func chunk(args []any, columns, most int) int {
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
		if row > 0 && size > bulkBytes || row == most {
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

// ForEach calls do with each row of a query, and stops at the first error.
func ForEach(ctx context.Context, q Querier, do func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
