-- +goose Up
-- By a copy: ADD COLUMN fails where the column is, and a step may run again.
CREATE TABLE IF NOT EXISTS change_log_copy (
  revision   INTEGER PRIMARY KEY,
  movie_id   INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  changed    INTEGER NOT NULL DEFAULT 0
);
INSERT INTO change_log_copy (revision, movie_id, changed_at) SELECT revision, movie_id, changed_at FROM change_log;
DROP TABLE change_log;
ALTER TABLE change_log_copy RENAME TO change_log;
