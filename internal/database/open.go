// Package database is the engine under the catalogue: a MySQL-protocol server or a SQLite
// file, behind one set of Go code. It opens and migrates it, runs transactions, makes
// statements of many rows, and knows what each engine's errors mean. It knows no movie.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

// Options say which database to open.
type Options struct {
	// File is a SQLite file. When it is set, the server's fields do not count.
	File string
	// Create makes the SQLite file when there is none.
	Create bool

	User, Password, Name string
	// Host is a name, an address, or the path of a socket; then Port does not count.
	Host string
	Port int
	// Connections is how many there are at most to a server; 0 means 32. Requests
	// queue for them.
	Connections int
	// Unhurried: a statement may take as long as it likes, as those do that look
	// through everything.
	Unhurried bool
	// ReplicaHost, when set, and ReplicaPort are a server that follows this one.
	// Reads go to it. It must be one server: of several behind one name, a read might
	// show less than the one before it.
	ReplicaHost string
	ReplicaPort int
	// PasswordFile, when set, holds the password. It is read for each new
	// connection, so that a password can be changed while the process runs.
	PasswordFile string
	// TLS is off, on, skip-verify, or the name of a configuration that was
	// registered with the driver.
	TLS string

	// Exports is how many exports may run at once, each on a connection of its own
	// beside the others; at least one.
	Exports int

	Logger *slog.Logger
	// Now is the clock for times that are stored; time.Now when nil.
	Now func() time.Time
	// OpenPool makes a pool, so that others may see what passes through it;
	// sql.OpenDB when nil.
	OpenPool func(driver.Connector) *sql.DB
}

// DB is an open database, safe for concurrent use.
type DB struct {
	write, read *sql.DB
	exports     *sql.DB       // reads, too
	server      *mysql.Config // nil for a file
	file        *sameFile     // nil for a server
	replicated  bool          // read is another server, which follows
	dialect     *dialect
	logger      *slog.Logger
	now         func() time.Time
	durable     atomic.Bool // as far as is known
}

// Connections of one process, at most. Readers queue for them: a server gives
// better times with a few busy connections than with many.
const (
	maxConnections  = 32 // by default
	idleConnections = 16
	connectionLife  = 5 * time.Minute // so that a failover or a new replica is noticed
	connectionIdle  = 30 * time.Second
	// A peer that went away without a word is given up after this long; no
	// statement of ours takes longer, but for the steps of a migration.
	answerTimeout = 30 * time.Second
	// And a server that lost us ends the session, with its locks, after this many
	// seconds: longer than connectionIdle, so that it never ends one in the pool.
	sessionTimeout = "60"
)

// Open prepares the database. A server is not contacted yet, so that a process
// can start before it; a SQLite file must exist unless Create is set.
func Open(o Options) (*DB, error) {
	db := &DB{logger: o.Logger, now: o.Now}
	db.durable.Store(true)
	if db.now == nil {
		db.now = time.Now
	}
	if o.OpenPool == nil {
		o.OpenPool = sql.OpenDB
	}
	if o.File != "" {
		return db, db.openFile(o)
	}
	return db, db.openServer(o)
}

func (db *DB) openServer(o Options) (err error) {
	db.dialect = &mysqlDialect
	if db.server, db.write, err = openPool(o); err != nil {
		return err
	}
	db.read = db.write
	if o.ReplicaHost != "" {
		o.Host, o.Port, db.replicated = o.ReplicaHost, o.ReplicaPort, true
		if _, db.read, err = openPool(o); err != nil {
			return err
		}
	}
	o.Connections = max(o.Exports, 1)
	_, exports, err := openPool(o)
	if err != nil {
		return err
	}
	db.openExports(exports, o.Exports)
	return nil
}

// openPool makes the pool of connections to a server.
func openPool(o Options) (*mysql.Config, *sql.DB, error) {
	config, err := serverConfig(o)
	if err != nil {
		return nil, nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, nil, fmt.Errorf("database settings: %w", err)
	}
	most := cmp.Or(o.Connections, maxConnections)
	polite := &politeConnector{Connector: connector, most: most}
	pool := o.OpenPool(polite)
	polite.pool.Store(pool)
	pool.SetMaxOpenConns(most)
	pool.SetMaxIdleConns(min(most, idleConnections))
	pool.SetConnMaxLifetime(connectionLife)
	pool.SetConnMaxIdleTime(connectionIdle)
	return config, pool, nil
}

func serverConfig(o Options) (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = o.User, o.Password, o.Name
	config.Net, config.Addr = "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	if filepath.IsAbs(o.Host) {
		config.Net, config.Addr = "unix", o.Host
	}
	config.InterpolateParams = true // saves a round trip per statement
	config.ParseTime = true         // the migrations' lock reads times
	config.Timeout = 5 * time.Second
	config.ReadTimeout, config.WriteTimeout = answerTimeout, answerTimeout
	if o.Unhurried {
		config.ReadTimeout = 0
	}
	config.MaxAllowedPacket = 0 // as the server has it
	// The driver puts values into statements as UTF-8. A server that read them as
	// another encoding, GBK say, would take parts of a title for SQL.
	if err := config.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	config.Params = map[string]string{
		// Whatever the server's own defaults are. STRICT: a value that does not fit is an
		// error, never cut; and " and \ mean what they mean by default.
		"sql_mode":                 "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
		"autocommit":               "1",
		"sql_safe_updates":         "0",
		"innodb_lock_wait_timeout": "10",
		"wait_timeout":             sessionTimeout,
		"net_write_timeout":        "600", // an export waits for its client between two rows
	}
	switch o.TLS {
	case "", "off":
	case "on":
		config.TLSConfig = "true"
	case "skip-verify":
		config.TLSConfig = "skip-verify"
	default:
		name, err := registerCA(o.TLS, o.Host)
		if err != nil {
			return nil, err
		}
		config.TLSConfig = name
	}
	config.Logger = driverLogger{o.Logger}
	if o.PasswordFile == "" {
		return config, nil
	}
	return config, config.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) error {
		password, err := os.ReadFile(o.PasswordFile)
		c.Passwd = strings.TrimRight(string(password), "\r\n")
		return err
	}))
}

// openFile opens a writer of one connection and a pool of readers: SQLite has
// one writer at a time, and queueing for it in the process costs less than
// finding the file busy.
func (db *DB) openFile(o Options) error {
	if !o.Create {
		if _, err := os.Stat(o.File); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("no database %s: run jpmovies migrate first", o.File)
		}
	}
	path, err := filepath.Abs(o.File)
	if err != nil {
		return err
	}
	db.dialect, db.file = &sqliteDialect, &sameFile{path: path}
	// The writer makes the file a WAL once and for all; two that do so at the same
	// moment do not wait for each other, they fail. FULL: a commit is on the disk
	// before the objects it came from are deleted. A batch touches thousands of pages:
	// 16 MB of them are kept, and 32 MB of log are copied into the file at a time.
	// Temporary tables and statement journals stay in memory: an empty image has no
	// folder for them.
	const patient, writes = "_pragma=busy_timeout(10000)&_pragma=temp_store(MEMORY)", "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate" +
		"&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(8000)"
	uri := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
	writer, err := sqlite.NewConnector(uri + "?" + patient + writes)
	if err != nil {
		return err
	}
	reader, err := sqlite.NewConnector(uri + "?" + patient + "&_pragma=query_only(1)")
	if err != nil {
		return err
	}
	db.write, db.read = o.OpenPool(writer), o.OpenPool(reader)
	db.write.SetMaxOpenConns(1)
	db.read.SetMaxOpenConns(idleConnections)
	db.read.SetMaxIdleConns(idleConnections)
	db.openExports(o.OpenPool(reader), o.Exports)
	return nil
}

// Close ends all connections.
func (db *DB) Close() error {
	err := db.exports.Close()
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	return errors.Join(err, db.write.Close())
}

// Reader is the pool that reads: of the replica, if there is one.
func (db *DB) Reader() *sql.DB { return db.read }

// Primary is the pool of the server that is written to.
func (db *DB) Primary() *sql.DB { return db.write }

// Replicated tells whether reads go to a server that follows another.
func (db *DB) Replicated() bool { return db.replicated }

// Now is the clock for times that are stored.
func (db *DB) Now() time.Time { return db.now() }

// openExports makes the pool of connections for exports: they hold theirs for as long
// as their clients take, and others must not wait for it.
func (db *DB) openExports(pool *sql.DB, n int) {
	n = max(n, 1)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	db.exports = pool
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Engine names the engine and its version, for logs.
func (db *DB) Engine(ctx context.Context) (string, error) {
	query := "SELECT CONCAT('MySQL protocol, ', VERSION())"
	if db.dialect == &sqliteDialect {
		query = "SELECT 'SQLite ' || sqlite_version()"
	}
	var engine string
	err := db.read.QueryRowContext(ctx, query).Scan(&engine)
	return engine, err
}

// driverLogger passes on what the driver has to say, which is about single
// connections that went away: the pool makes new ones.
type driverLogger struct{ logger *slog.Logger }

func (l driverLogger) Print(v ...any) {
	if l.logger != nil {
		l.logger.Debug("database connection", "detail", fmt.Sprint(v...))
	}
}
