package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-sql-driver/mysql"
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
// args. Full chunks use the statement that prepare has prepared.
func (db *DB) insert(ctx context.Context, tx *sql.Tx, in insertion, args []any) error {
	for len(args) > 0 {
		rows := chunk(args, in.columns)
		if err := db.insertChunk(ctx, tx, in, rows, args[:rows*in.columns]); err != nil {
			return fmt.Errorf("%s: %w", in.head, err)
		}
		args = args[rows*in.columns:]
	}
	return nil
}

func (db *DB) insertChunk(ctx context.Context, tx *sql.Tx, in insertion, rows int, args []any) error {
	if prepared := db.prepared.get(in); prepared != nil && rows == bulkRows {
		//nolint:sqlclosecheck // closed with the transaction
		_, err := tx.StmtContext(ctx, prepared).ExecContext(ctx, args...)
		if !noMoreStatements(err) {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, in.statement(rows), args...)
	return err
}

// noMoreStatements tells whether the server prepares no more statements for anyone
// (max_prepared_stmt_count); they are sent as text then.
func noMoreStatements(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == 1461
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

// statements are the insertions of full chunks, prepared once per process.
type statements struct {
	mu    sync.Mutex
	ready map[insertion]*sql.Stmt
}

func (s *statements) get(in insertion) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready[in]
}

// prepare must run outside a transaction: SQLite's one writing connection would
// wait for itself.
func (db *DB) prepare(ctx context.Context, all ...insertion) error {
	s := &db.prepared
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == len(all) {
		return nil
	}
	if s.ready == nil {
		s.ready = make(map[insertion]*sql.Stmt)
	}
	for _, in := range all {
		if s.ready[in] != nil {
			continue
		}
		stmt, err := db.write.PrepareContext( //nolint:sqlclosecheck // kept, see close
			ctx, in.statement(bulkRows))
		if noMoreStatements(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("prepare %s: %w", in.head, err)
		}
		s.ready[in] = stmt
	}
	return nil
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all error
	for _, stmt := range s.ready {
		all = errors.Join(all, stmt.Close())
	}
	s.ready = nil
	return all
}
