package database

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"jpmovies/internal/database/migrations"
)

// dialect holds what differs between the engines: parts of the SQL, and the meaning of
// errors. All other statements are the same.
type dialect struct {
	// isolation is that of writing transactions. Under MySQL's default, REPEATABLE READ,
	// writers deadlock even with sorted keys and merge against stale rows.
	isolation sql.IsolationLevel
	// snapshot is the isolation of a transaction that reads one state throughout.
	snapshot sql.IsolationLevel
	// forUpdate ends a SELECT that locks its rows.
	forUpdate string
	// straight fixes the join order to that of the statement.
	straight string
	// force makes the engine use an index; MySQL chooses bad ones for keyset pages.
	force func(index string) string
	// onDuplicate ends an INSERT: if the key exists, the named columns are overwritten, or
	// none.
	onDuplicate func(key string, columns ...string) string
	// list returns the right side of (title, year) IN (...) for a number of pairs.
	list func(pairs int) string
	// judge classifies an error.
	judge func(error) verdict
	// advise adds a remedy to an error.
	advise func(error) error
	// noTable reports whether the error means that a table does not exist.
	noTable func(error) bool
	// steps holds the migrations.
	steps fs.FS
}

// In returns the condition that two columns equal one of a number of pairs. A single pair
// is compared by its parts, because MariaDB reads the whole table for a DELETE with a list
// of one.
func (db *DB) In(first, second string, pairs int) string {
	if pairs == 1 {
		return first + " = ? AND " + second + " = ?"
	}
	return "(" + first + ", " + second + ") IN (" + db.dialect.list(pairs) + ")"
}

// ForUpdate ends a SELECT that locks its rows.
func (db *DB) ForUpdate() string { return db.dialect.forUpdate }

// Straight fixes the join order to that of the statement.
func (db *DB) Straight() string { return db.dialect.straight }

// Force makes the engine use an index; MySQL chooses bad ones for keyset pages.
func (db *DB) Force(index string) string { return db.dialect.force(index) }

// OnDuplicate ends an INSERT: if the key exists, the named columns are overwritten, or
// none.
func (db *DB) OnDuplicate(key string, columns ...string) string {
	return db.dialect.onDuplicate(key, columns...)
}

// verdict is the meaning of an engine's error for the transaction.
type verdict int

const (
	// fatal: a retry will not help now. The data is not the cause.
	fatal verdict = iota
	// retry: the same transaction may succeed when it is run again.
	retry
	// rejected: a healthy engine refuses the data for good.
	rejected
	// unfit: a setting of the server refuses the data.
	unfit
	// moved: this connection does not accept writes. A new one may: it leads to the new
	// primary, or has another setting.
	moved
)

var mysqlDialect = dialect{
	isolation: sql.LevelReadCommitted,
	snapshot:  sql.LevelRepeatableRead,
	forUpdate: " FOR UPDATE",
	straight:  "STRAIGHT_JOIN ",
	force:     func(index string) string { return " FORCE INDEX (" + index + ")" },
	onDuplicate: func(key string, columns ...string) string {
		if len(columns) == 0 {
			column, _, _ := strings.Cut(key, ",")
			return " ON DUPLICATE KEY UPDATE " + column + " = " + column
		}
		return " ON DUPLICATE KEY UPDATE " + assign(columns, "VALUES(", ")")
	},
	list:   func(pairs int) string { return Tuples(pairs, 2) },
	judge:  judgeMySQL,
	advise: adviseMySQL,
	noTable: func(err error) bool {
		var e *mysql.MySQLError
		return errors.As(err, &e) && e.Number == 1146
	},
	steps: folder(migrations.MySQL, "mysql"),
}

// sqliteDialect: BEGIN IMMEDIATE serialises transactions (see open.go). The planner needs
// no hints but CROSS JOIN, and one for pages by id, where it prefers to sort a range of
// years.
var sqliteDialect = dialect{
	force: func(index string) string {
		if index == "PRIMARY" {
			return " NOT INDEXED"
		}
		return ""
	},
	onDuplicate: func(key string, columns ...string) string {
		if len(columns) == 0 {
			return " ON CONFLICT (" + key + ") DO NOTHING"
		}
		return " ON CONFLICT (" + key + ") DO UPDATE SET " + assign(columns, "excluded.", "")
	},
	list:   func(pairs int) string { return "VALUES " + Tuples(pairs, 2) },
	judge:  judgeSQLite,
	advise: func(err error) error { return err },
	noTable: func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "no such table") // the code is the generic SQLITE_ERROR
	},
	steps: folder(migrations.SQLite, "sqlite"),
}

func folder(all fs.FS, name string) fs.FS {
	sub, err := fs.Sub(all, name)
	if err != nil {
		panic(err) // only for an invalid path
	}
	return sub
}

func assign(columns []string, before, after string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = c + " = " + before + c + after
	}
	return strings.Join(parts, ", ")
}

// mysqlVerdicts classifies the error numbers of MySQL, MariaDB and TiDB.
var mysqlVerdicts = map[uint16]verdict{
	1213: retry,              // deadlock
	1205: retry,              // lock wait timeout
	1020: retry,              // record has changed since last read (MariaDB snapshot isolation)
	1062: retry,              // duplicate key: another worker inserted the same new movie first
	1040: retry,              // too many connections
	1053: retry,              // shutdown in progress
	1317: retry,              // statement was interrupted
	1927: retry,              // connection was killed
	1203: retry, 1226: retry, // too many connections of this user
	1047: retry, 1180: retry, // Galera: this node is not ready; the commit failed
	3100: retry, 3101: retry, // group replication refused the commit
	1412: retry, // the table's definition has changed

	// TiDB: conflicts, schema changes, time-outs
	8002: retry, 8005: retry, 8022: retry, 8027: retry, 8028: retry,
	9001: retry, 9002: retry, 9003: retry, 9004: retry, 9005: retry, 9007: retry,

	1290: moved, 1792: moved, 1836: moved, // read-only
	1665: moved, // binlog_format=STATEMENT; only new connections see a change of it

	1153: unfit,              // larger than max_allowed_packet
	1197: unfit,              // larger than max_binlog_cache_size
	1206: unfit,              // too many row locks
	8004: unfit, 8025: unfit, // TiDB: transaction or row too large

	1406: rejected, // data too long
	1264: rejected, // out of range
	1366: rejected, // wrong value
	1048: rejected, // NULL
	1265: rejected, // data truncated
	1292: rejected, // incorrect value
	1300: rejected, // no UTF-8
	1644: rejected, // SIGNAL: a trigger's refusal
	3140: rejected, // JSON (MySQL)
	3819: rejected, // CHECK (MySQL)
	3854: rejected, // not representable in the column's character set
	4025: rejected, // CHECK, JSON (MariaDB)
}

// mysqlAdvice holds remedies by error number.
var mysqlAdvice = map[uint16]string{
	1153: "raise max_allowed_packet, of 4 MiB at least",
	1290: "the server is read-only; is it a replica, or a primary of before a fail-over?",
	1836: "the server is read-only; is it a replica, or a primary of before a fail-over?",
	1665: "the server logs changes as statements, which READ COMMITTED does not allow: set binlog_format=ROW (or MIXED)",
}

func adviseMySQL(err error) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || mysqlAdvice[e.Number] == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, mysqlAdvice[e.Number])
}

func judgeMySQL(err error) verdict {
	if lostConnection(err) {
		return retry
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return unfit
	}
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return fatal
	}
	if e.Number == 1105 && strings.Contains(e.Message, "max_allowed_packet") { // Oracle MySQL, for a single value
		return unfit
	}
	if e.Number == 1105 && strings.Contains(e.Message, "pessimistic lock retry limit") { // TiDB; 1105 has many other meanings
		return retry
	}
	return mysqlVerdicts[e.Number]
}

func lostConnection(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

func judgeSQLite(err error) verdict {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fatal
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return retry
	case sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
		return rejected
	}
	switch e.Code() {
	// Other constraints concern keys: existing rows are the cause, not the data.
	case sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_DATATYPE, sqlite3.SQLITE_CONSTRAINT_TRIGGER:
		return rejected
	}
	return fatal
}
