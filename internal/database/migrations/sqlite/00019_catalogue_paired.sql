-- +goose Up
-- By a copy: ADD COLUMN fails where the column is, and a step may run again.
CREATE TABLE IF NOT EXISTS catalogue_copy (
  id       INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  movies   INTEGER NOT NULL,
  next_pruning INTEGER NOT NULL DEFAULT 0,
  paired   INTEGER NOT NULL DEFAULT 0
);
INSERT INTO catalogue_copy (id, revision, movies) SELECT id, revision, movies FROM catalogue;
DROP TABLE catalogue;
ALTER TABLE catalogue_copy RENAME TO catalogue;
