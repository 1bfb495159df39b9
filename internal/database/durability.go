package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Durability asks the server whether commits survive a crash of it, because objects are
// deleted on the strength of a commit. It returns the settings that may undo one, each
// with its remedy; none when commits are durable.
func (db *DB) Durability(ctx context.Context) (unsafe []string, err error) {
	ask := db.serverDurability
	if db.file != nil {
		ask = db.fileDurability
	}
	if unsafe, err = ask(ctx); err != nil {
		return nil, fmt.Errorf("ask how durable a commit is: %w", err)
	}
	db.durable.Store(len(unsafe) == 0)
	return unsafe, nil
}

func (db *DB) fileDurability(ctx context.Context) (unsafe []string, err error) {
	var synchronous int
	err = db.write.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous)
	if err == nil && synchronous < 2 {
		unsafe = append(unsafe, fmt.Sprintf("synchronous is %d, expected 2 (FULL)", synchronous))
	}
	return unsafe, err
}

func (db *DB) serverDurability(ctx context.Context) (unsafe []string, err error) {
	var version string
	err = db.write.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	if err != nil || strings.Contains(version, "TiDB") { // a commit is on a majority of replicas, and not all variables exist
		return nil, err
	}
	var flush, sync int
	var logged bool
	if err := db.write.QueryRowContext(ctx, "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog").Scan(&flush, &logged, &sync); err != nil {
		return nil, err
	}
	if flush != 1 && flush != 3 { // 3 is MariaDB's, and as safe
		unsafe = append(unsafe, fmt.Sprintf("innodb_flush_log_at_trx_commit is %d: set it to 1", flush))
	}
	if logged && sync != 1 {
		unsafe = append(unsafe, fmt.Sprintf("sync_binlog is %d: set it to 1, or replicas and a recovered primary may differ", sync))
	}
	err = ForEach(ctx, db.write, func(rows *sql.Rows) error {
		var table, engine string
		err := rows.Scan(&table, &engine)
		unsafe = append(unsafe, fmt.Sprintf("table %s has the engine %s, without transactions: ALTER TABLE %[1]s ENGINE = InnoDB", table, engine))
		return err
	}, "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() AND engine <> 'InnoDB'"+
		" AND table_name IN ('movie', 'movie_cast', 'movie_genre', 'change_log', 'catalogue', 'ingest', 'rejection')")
	return unsafe, err
}

// durability exports the result of Durability as a metric.
func (db *DB) durability() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "movies", Subsystem: "database", Name: "commits_durable",
		Help: "1 if commits survive a crash of the database server, 0 if one of its settings may undo them; the log names the setting.",
	}, func() float64 {
		if db.durable.Load() {
			return 1
		}
		return 0
	})
}
