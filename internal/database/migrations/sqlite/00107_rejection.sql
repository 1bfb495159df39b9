-- +goose Up
CREATE TABLE IF NOT EXISTS rejection (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  object_key  TEXT NOT NULL,
  object_etag TEXT NOT NULL,
  position    INTEGER NOT NULL,
  reason      TEXT NOT NULL,
  bytes       BLOB NOT NULL,
  truncated   INTEGER NOT NULL,
  rejected_at INTEGER NOT NULL,
  UNIQUE (object_key, object_etag, position)
);
