// Package databasetest gives each test a fresh, migrated database of its own, on
// every engine at hand.
package databasetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"jpmovies/internal/database"
)

// Variable names the environment variable with the DSNs of MySQL-protocol servers, comma
// separated, whose users may create databases: user:password@tcp(host:port)/
const Variable = "MOVIES_TEST_MYSQL_DSN"

// Each runs a test on every available engine: SQLite, and the servers in Variable. Without
// servers it skips them, and fails in CI.
func Each(t *testing.T, test func(t *testing.T, o database.Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t))
	})
	servers := Servers(t)
	for i, dsn := range servers {
		t.Run("server"+strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			test(t, Server(t, dsn))
		})
	}
	if len(servers) == 0 {
		t.Run("server", func(t *testing.T) { t.Skipf("no server: %s is not set", Variable) })
	}
}

// Servers returns the DSNs of the available servers.
func Servers(t testing.TB) []string {
	t.Helper()
	if value := os.Getenv(Variable); value != "" {
		return strings.Split(value, ",")
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not set: CI must test on a real server", Variable)
	}
	return nil
}

// SQLite returns a new file.
func SQLite(t *testing.T) database.Options {
	t.Helper()
	return database.Options{File: filepath.Join(t.TempDir(), "movies.sqlite"), Create: true, Logger: slog.New(slog.DiscardHandler)}
}

// Server creates a database on a server and drops it when the test ends.
func Server(t testing.TB, dsn string) database.Options {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	name := "test_" + strings.ToLower(rand.Text()[:12])
	admin, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		if _, err := admin.ExecContext(context.Background(), query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	exec("CREATE DATABASE " + name)
	t.Cleanup(func() {
		exec("DROP DATABASE " + name)
		_ = admin.Close()
	})
	host, port, err := net.SplitHostPort(config.Addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return database.Options{
		User: config.User, Password: config.Passwd, Name: name, Host: host, Port: number,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// Open opens and migrates a database and closes it when the test ends.
func Open(t testing.TB, o database.Options) *database.DB {
	t.Helper()
	db, err := database.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// Raw opens the database with the driver alone, to look at its tables.
func Raw(t *testing.T, o database.Options) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+o.File
	if o.File == "" {
		config := mysql.NewConfig()
		config.User, config.Passwd, config.DBName = o.User, o.Password, o.Name
		config.Net, config.Addr = "tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
		config.InterpolateParams = true // as in the program
		driver, dsn = "mysql", config.FormatDSN()
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// Engine returns the engine with the part of its version that plans depend on, such as
// mariadb-10.11.
func Engine(t *testing.T, o database.Options) string {
	t.Helper()
	query := "SELECT VERSION()"
	if o.File != "" {
		query = "SELECT 'SQLite ' || sqlite_version()"
	}
	var name string
	if err := Raw(t, o).QueryRowContext(t.Context(), query).Scan(&name); err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`\d+\.\d+`).FindString(name)
	switch {
	case strings.Contains(name, "MariaDB"):
		return "mariadb-" + version
	case strings.Contains(name, "TiDB"):
		return "tidb-" + regexp.MustCompile(`TiDB-v(\d+)`).FindStringSubmatch(name)[1]
	case strings.Contains(name, "SQLite"):
		return "sqlite-" + version
	}
	return "mysql-" + version
}

// Exec runs a statement.
func Exec(t *testing.T, raw *sql.DB, query string) {
	t.Helper()
	if _, err := raw.ExecContext(t.Context(), query); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
}

// Query returns the rows of a statement as text.
func Query(t *testing.T, raw *sql.DB, statement string, columns int) [][]string {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		values, targets := make([]string, columns), make([]any, columns)
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
