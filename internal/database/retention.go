package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// pruneRows is how many rows one transaction of Prune deletes, so that it holds
// no locks for long.
const pruneRows = 1000

// oldRejections and oldChanges select the keys of up to pruneRows old rows.
// Revisions are committed in the order of time, so the first rows are the
// oldest, and the change log needs no index by time.
const (
	oldRejections = "SELECT id FROM rejection WHERE rejected_at < ? ORDER BY rejected_at LIMIT 1000"
	oldChanges    = "SELECT revision FROM (SELECT revision, changed_at FROM change_log ORDER BY revision LIMIT 1000) oldest" +
		" WHERE changed_at < ?"
)

// oldIngests are keys of the ingest log of old days: pairs, of up to bulkTuples.
const oldIngests = "SELECT applied_day, object_key FROM ingest WHERE applied_day < ? ORDER BY applied_day, object_key LIMIT 500"

// Prune deletes rejections and changes that are older than the times given. The
// ingest log is kept as long as changes are, in whole days.
func (db *DB) Prune(ctx context.Context, rejections, changes time.Time) error {
	if err := db.prune(ctx, oldRejections, "DELETE FROM rejection WHERE id IN ", rejections); err != nil {
		return fmt.Errorf("prune rejections: %w", err)
	}
	if err := db.prune(ctx, oldChanges, "DELETE FROM change_log WHERE revision IN ", changes); err != nil {
		return fmt.Errorf("prune changes: %w", err)
	}
	if err := db.pruneIngests(ctx, dayOf(changes)); err != nil {
		return fmt.Errorf("prune ingest log: %w", err)
	}
	return nil
}

func (db *DB) pruneIngests(ctx context.Context, before int64) error {
	for {
		n := 0
		err := db.transact(ctx, func(tx *sql.Tx, _ int) error {
			keys, err := selectPairs(ctx, tx, oldIngests, before)
			n = len(keys) / 2
			if err != nil || n == 0 {
				return err
			}
			//nolint:gosec // made of constants
			_, err = tx.ExecContext(ctx, "DELETE FROM ingest WHERE (applied_day, object_key) IN ("+db.dialect.list(n)+")", keys...)
			return err
		})
		if err != nil || n < bulkTuples {
			return err
		}
	}
}

func selectPairs(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]any, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what there is to tell
	var pairs []any
	for rows.Next() {
		var number int64
		var text string
		if err := rows.Scan(&number, &text); err != nil {
			return nil, err
		}
		pairs = append(pairs, number, text)
	}
	return pairs, rows.Err()
}

func (db *DB) prune(ctx context.Context, selectOld, deleteIn string, before time.Time) error {
	for {
		n := 0
		err := db.transact(ctx, func(tx *sql.Tx, _ int) error {
			keys, err := queryIDs(ctx, tx, selectOld, []any{before.UnixMilli()})
			n = len(keys)
			if err != nil || n == 0 {
				return err
			}
			_, err = tx.ExecContext(ctx, deleteIn+tuples(1, n), anys(keys)...)
			return err
		})
		if err != nil || n < pruneRows {
			return err
		}
	}
}
