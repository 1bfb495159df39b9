-- +goose Up
CREATE TABLE IF NOT EXISTS worker_status (
  shard           TEXT NOT NULL PRIMARY KEY,
  last_pass       INTEGER NOT NULL,
  last_commit     INTEGER NOT NULL,
  objects_waiting INTEGER NOT NULL,
  oldest_waiting  INTEGER
) WITHOUT ROWID;
