package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Limits of the retries of a transaction; afterwards the pass gives up, and the next one
// tries again.
const (
	maxTries = 12
	maxRetry = 15 * time.Second
)

// Transact runs work in a transaction and commits it. It runs the whole of work again
// after an error that may pass (deadlock, lock timeout, lost connection). That includes a
// COMMIT whose answer was lost, so work must be idempotent. attempt counts from 0.
//
// The error is fatal for this pass, or a *RefusedError.
func (db *DB) Transact(ctx context.Context, work func(tx *sql.Tx, attempt int) error) error {
	attempt := 0
	once := func() (struct{}, error) {
		err := db.tryTransact(ctx, func(tx *sql.Tx) error { return work(tx, attempt) })
		attempt++
		if err == nil {
			return struct{}{}, nil
		}
		err = db.dialect.advise(err)
		switch db.dialect.judge(err) {
		case retry, moved:
			return struct{}{}, err
		case rejected:
			return struct{}{}, backoff.Permanent(&RefusedError{Reason: err})
		case unfit:
			return struct{}{}, backoff.Permanent(&RefusedError{Reason: err, Setting: true})
		}
		return struct{}{}, backoff.Permanent(err)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 10 * time.Millisecond
	wait.MaxInterval = 2 * time.Second
	_, err := backoff.Retry(ctx, once,
		backoff.WithBackOff(wait), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(maxRetry),
		backoff.WithNotify(func(err error, wait time.Duration) {
			db.logger.Debug("transaction will be retried", "error", err, "wait", wait)
		}))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Unwrap()
	}
	return err
}

func (db *DB) tryTransact(ctx context.Context, work func(*sql.Tx) error) (err error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if db.dialect.judge(err) == moved { // the next attempt needs a new connection, to the new primary
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // removes it from the pool
		}
		_ = conn.Close() // back to the pool; the transaction has ended
	}()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.isolation})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if !done { // work failed or panicked: its error is returned
			_ = tx.Rollback()
		}
	}()
	if err := work(tx); err != nil {
		return err
	}
	if err := db.file.check(); err != nil {
		return err
	}
	done = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// RefusedError is returned when a healthy server refuses the data of a transaction for
// good.
type RefusedError struct {
	// Reason is the server's error.
	Reason error
	// Setting: not the data is at fault, but a setting of the server, the size of the
	// transaction, or a damaged row.
	Setting bool
}

func (e *RefusedError) Error() string { return fmt.Sprintf("refused by the database: %v", e.Reason) }

// Unwrap returns Reason.
func (e *RefusedError) Unwrap() error { return e.Reason }

// Snapshot runs read in a read-only transaction that sees one state throughout.
func (db *DB) Snapshot(ctx context.Context, read func(*sql.Tx) error) error {
	return db.snapshot(ctx, db.read, read)
}

// LongSnapshot is Snapshot on a connection for exports, for which it waits. It locks no
// rows, but migrations that change a table wait for it, and a server keeps old rows until
// it ends.
func (db *DB) LongSnapshot(ctx context.Context, read func(*sql.Tx) error) error {
	return db.snapshot(ctx, db.exports, read)
}

func (db *DB) snapshot(ctx context.Context, pool *sql.DB, read func(*sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: db.dialect.snapshot})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return read(tx)
}
