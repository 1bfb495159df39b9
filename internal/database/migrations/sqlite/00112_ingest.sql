-- +goose Up
CREATE TABLE IF NOT EXISTS ingest (
  applied_day INTEGER NOT NULL,
  object_key  TEXT NOT NULL,
  object_time TEXT NOT NULL,
  part        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  PRIMARY KEY (applied_day, object_key, object_time, part)
) WITHOUT ROWID;
