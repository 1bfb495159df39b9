package main

import (
	"context"
	"database/sql" //nolint:depguard // limits are taken without our code
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mysqlVariable names the servers; the first one is measured.
const mysqlVariable = "MOVIES_TEST_MYSQL_DSN"

func (b *bench) connect(ctx context.Context) error {
	b.dsn, _, _ = strings.Cut(os.Getenv(mysqlVariable), ",")
	if b.dsn == "" {
		return errors.New(mysqlVariable + " is not set: run this by scripts/bench")
	}
	db, err := b.open("")
	if err != nil {
		return err
	}
	b.admin, b.peaks = db, peaks{}
	return db.PingContext(ctx)
}

// config returns the driver's configuration, with the program's own settings.
func (b *bench) config(database string) (*mysql.Config, error) {
	c, err := mysql.ParseDSN(b.dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mysqlVariable, err)
	}
	c.DBName, c.InterpolateParams = database, true
	return c, nil
}

func (b *bench) open(database string) (*sql.DB, error) {
	c, err := b.config(database)
	if err != nil {
		return nil, err
	}
	return openPool(c.FormatDSN())
}

// openPool opens as many connections as the program does.
func openPool(dsn string) (*sql.DB, error) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(16)
	return db, nil
}

// databasePrefix begins the names of this program's databases, which it drops at the end.
const databasePrefix = "jpmovies_bench_"

// catalogueName is the database that stays for the rows of the API.
const catalogueName = databasePrefix + "catalogue"

// fresh creates an empty database, migrated by the subject. It waits until the server has
// finished the background work of earlier databases.
func (b *bench) fresh(ctx context.Context, s subject, name string) ([]string, error) {
	for _, query := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name} {
		if _, err := b.admin.ExecContext(ctx, query); err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
	}
	env, err := b.databaseEnv(name)
	if err != nil {
		return nil, err
	}
	if _, err := b.command(ctx, s, "", environment(env...), "migrate"); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	return env, nil
}

// settle is a pause before each measurement, in which the server finishes its background work.
const settle = 200 * time.Millisecond

func (b *bench) databaseEnv(name string) ([]string, error) {
	c, err := b.config(name)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mysqlVariable, err)
	}
	return []string{
		"MOVIES_DB_USER=" + c.User, "MOVIES_DB_PASS=" + c.Passwd, "MOVIES_DB_HOST=" + host, "MOVIES_DB_PORT=" + port, "MOVIES_DB_NAME=" + name,
	}, nil
}

func (b *bench) dropDatabases(ctx context.Context) {
	for _, name := range []string{workName, limitName, catalogueName} {
		_, _ = b.admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name)
	}
}

// Databases that one turn needs.
const (
	workName  = databasePrefix + "work"
	limitName = databasePrefix + "limit"
)
