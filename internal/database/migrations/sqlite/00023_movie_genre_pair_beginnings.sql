-- +goose Up
-- By a copy: ADD COLUMN fails where the column is, and a step may run again.
CREATE TABLE IF NOT EXISTS movie_genre_pair_copy (
  name     TEXT NOT NULL,
  movie_id INTEGER NOT NULL,
  year     INTEGER NOT NULL,
  beginnings INTEGER NOT NULL DEFAULT 9223372036854775807,
  PRIMARY KEY (name, movie_id)
) WITHOUT ROWID;
INSERT INTO movie_genre_pair_copy (name, movie_id, year) SELECT name, movie_id, year FROM movie_genre_pair;
DROP TABLE movie_genre_pair;
ALTER TABLE movie_genre_pair_copy RENAME TO movie_genre_pair;
CREATE INDEX movie_genre_pair_by_year ON movie_genre_pair (name, year, movie_id, beginnings);
