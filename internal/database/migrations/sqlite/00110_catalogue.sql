-- +goose Up
CREATE TABLE IF NOT EXISTS catalogue (
  id           INTEGER PRIMARY KEY,
  revision     INTEGER NOT NULL,
  movies       INTEGER NOT NULL,
  next_pruning INTEGER NOT NULL DEFAULT 0
);
