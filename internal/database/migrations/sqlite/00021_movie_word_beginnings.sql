-- +goose Up
-- By a copy: ADD COLUMN fails where the column is, and a step may run again.
CREATE TABLE IF NOT EXISTS movie_word_copy (
  name     TEXT NOT NULL,
  movie_id INTEGER NOT NULL,
  beginnings INTEGER NOT NULL DEFAULT 9223372036854775807,
  PRIMARY KEY (name, movie_id)
) WITHOUT ROWID;
INSERT INTO movie_word_copy (name, movie_id) SELECT name, movie_id FROM movie_word;
DROP TABLE movie_word;
ALTER TABLE movie_word_copy RENAME TO movie_word;
