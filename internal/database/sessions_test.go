package database_test

import (
	"context"
	"database/sql"
	"testing"

	"jpmovies/internal/database/databasetest"
)

// TestSessions: a server ends the session of a lost client after a minute, so that its locks go,
// but that of an export, whose client may read slowly, after an hour.
func TestSessions(t *testing.T) {
	for _, dsn := range databasetest.Servers(t) {
		db := databasetest.Open(t, databasetest.Server(t, dsn))
		for seconds, snapshot := range map[int]func(context.Context, func(*sql.Tx) error) error{60: db.Snapshot, 3600: db.LongSnapshot} {
			var got int
			err := snapshot(t.Context(), func(tx *sql.Tx) error {
				return tx.QueryRowContext(t.Context(), "SELECT @@SESSION.wait_timeout").Scan(&got)
			})
			if err != nil || got != seconds {
				t.Errorf("a session may be idle for %d s, want %d: %v", got, seconds, err)
			}
		}
	}
}

// TestDurabilityOfServers: every server answers how durable its commits are.
func TestDurabilityOfServers(t *testing.T) {
	for _, dsn := range databasetest.Servers(t) {
		o := databasetest.Server(t, dsn)
		unsafe, err := databasetest.Open(t, o).Durability(t.Context())
		if err != nil {
			t.Errorf("%s: %v", o.Name, err)
		}
		t.Logf("%q", unsafe)
	}
}
