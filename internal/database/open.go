// Package database is the engine under the catalogue: a MySQL-protocol server or a SQLite
// file behind one set of Go code. It opens and migrates a database, runs transactions,
// builds statements of many rows, and classifies errors. It knows nothing about movies.
package database

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Options configure a database.
type Options struct {
	// File is a SQLite file. If it is set, the server's fields are ignored.
	File string
	// Create creates the SQLite file when there is none.
	Create bool

	User, Password, Name string
	// Host is a name, an address, or the path of a socket; then Port does not count.
	Host string
	Port int
	// Connections bounds the connections to a server; 0 means 32. Requests queue for them.
	Connections int
	// Unhurried removes the statement timeout, for commands that read the whole database.
	Unhurried bool
	// ReplicaHost and ReplicaPort name a replica that serves reads; empty for none. It
	// must be one server: behind a name of several, a read could show less than the one
	// before it.
	ReplicaHost string
	ReplicaPort int
	// PasswordFile holds the password, if it is set. It is read for each new connection,
	// so that the password can be changed while the process runs.
	PasswordFile string
	// TLS is off, on, skip-verify, or the path of a file with certificates of authorities.
	TLS string

	// Exports bounds concurrent exports, which have connections of their own; at least
	// one.
	Exports int

	Logger *slog.Logger
	// Now is the clock for stored times; time.Now when nil.
	Now func() time.Time
	// OpenPool opens a pool and may wrap its connector, for tracing; sql.OpenDB when nil.
	OpenPool func(driver.Connector) *sql.DB
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	write, read *sql.DB
	exports     *sql.DB       // reads for exports
	server      *mysql.Config // nil for a file
	file        *sameFile     // nil for a server
	replicated  bool          // read is a replica
	dialect     *dialect
	logger      *slog.Logger
	now         func() time.Time
	durable     atomic.Bool // as last asked
}

// Limits of the connections of one process. A server is faster with a few busy connections
// than with many.
const (
	maxConnections  = 32 // by default
	idleConnections = 16
	connectionLife  = 5 * time.Minute // notices a failover or a new replica
	connectionIdle  = 30 * time.Second
	// answerTimeout bounds the wait for an answer, in case the peer is gone. No statement
	// takes longer, except in migrations.
	answerTimeout = 30 * time.Second
	// sessionTimeout makes the server end the session of a lost client, with its locks. It
	// is longer than connectionIdle, so pooled connections are not ended.
	sessionTimeout = time.Minute
	// exportTimeout is the same for exports, whose clients may read slowly what the server
	// has sent. They hold no locks.
	exportTimeout = time.Hour
)

// Open opens a database. It does not contact a server, so that a process can start before
// its server. A SQLite file must exist unless Create is set.
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
	if db.server, db.write, err = openPool(o, sessionTimeout); err != nil {
		return err
	}
	db.read = db.write
	if o.ReplicaHost != "" {
		o.Host, o.Port, db.replicated = o.ReplicaHost, o.ReplicaPort, true
		if _, db.read, err = openPool(o, sessionTimeout); err != nil {
			return err
		}
	}
	o.Connections = max(o.Exports, 1)
	_, exports, err := openPool(o, exportTimeout)
	if err != nil {
		return err
	}
	db.openExports(exports, o.Exports)
	return nil
}

// openPool opens a pool of connections to a server, which ends a session that is idle for
// longer than a time.
func openPool(o Options, idle time.Duration) (*mysql.Config, *sql.DB, error) {
	config, err := serverConfig(o, idle)
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

func serverConfig(o Options, idle time.Duration) (*mysql.Config, error) {
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
	config.MaxAllowedPacket = 0 // ask the server
	// The driver interpolates values as UTF-8. A server that read them in another
	// encoding, such as GBK, could take parts of a title for SQL.
	if err := config.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	config.Params = map[string]string{
		// Override the server's defaults. STRICT: a value that does not fit is an error,
		// never cut. " and \ keep their default meaning.
		"sql_mode":                 "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
		"autocommit":               "1",
		"sql_safe_updates":         "0",
		"sql_select_limit":         "18446744073709551615",
		"completion_type":          "'NO_CHAIN'",
		"innodb_lock_wait_timeout": "10",
		"wait_timeout":             strconv.Itoa(int(idle.Seconds())),
		"net_write_timeout":        "600", // an export waits for its client between two rows
	}
	switch o.TLS {
	case "", "off":
	case "on":
		config.TLSConfig = "true"
	case "skip-verify":
		config.TLSConfig = "skip-verify"
	default:
		authority, err := os.ReadFile(o.TLS)
		if err != nil {
			return nil, fmt.Errorf("MOVIES_DB_TLS: %w", err)
		}
		config.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		if !config.TLS.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("MOVIES_DB_TLS: no certificate in %s", o.TLS)
		}
	}
	config.Logger = driverLogger{o.Logger}
	if o.PasswordFile == "" {
		return config, nil
	}
	return config, config.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) (err error) {
		c.Passwd, err = readPassword(o.PasswordFile)
		return err
	}))
}

// readPassword reads a file that may end with a newline.
func readPassword(file string) (string, error) {
	password, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	return strings.TrimRight(string(password), "\r\n"), err
}

// Close closes all connections.
func (db *DB) Close() error {
	err := db.exports.Close()
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	return errors.Join(err, db.write.Close())
}

// Reader returns the pool for reads: the replica's, if there is one.
func (db *DB) Reader() *sql.DB { return db.read }

// Primary returns the pool for writes.
func (db *DB) Primary() *sql.DB { return db.write }

// Replicated reports whether reads go to a replica.
func (db *DB) Replicated() bool { return db.replicated }

// Now returns the time for stored times.
func (db *DB) Now() time.Time { return db.now() }

// ServerTime returns the time of the server in whole seconds; of a file, this machine's.
func (db *DB) ServerTime(ctx context.Context) (time.Time, error) {
	if db.file != nil {
		return db.now(), nil
	}
	var seconds int64
	if err := db.write.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP()").Scan(&seconds); err != nil {
		return time.Time{}, fmt.Errorf("ask for the server's time: %w", err)
	}
	return time.Unix(seconds, 0), nil
}

// openExports opens the pool for exports. They hold connections as long as their clients
// take, and other reads must not wait for that.
func (db *DB) openExports(pool *sql.DB, n int) {
	n = max(n, 1)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	db.exports = pool
}

// Ping returns an error when the database does not answer.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// driverLogger logs the driver's messages. They concern single lost connections, which the
// pool replaces.
type driverLogger struct{ logger *slog.Logger }

func (l driverLogger) Print(v ...any) {
	if l.logger != nil {
		l.logger.Debug("database connection", "detail", fmt.Sprint(v...))
	}
}
