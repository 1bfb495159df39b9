-- +goose Up
CREATE TABLE IF NOT EXISTS change_log (
  revision   INTEGER PRIMARY KEY,
  movie_id   INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  changed    INTEGER NOT NULL
);
