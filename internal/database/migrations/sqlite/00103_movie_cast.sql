-- +goose Up
CREATE TABLE IF NOT EXISTS movie_cast (
  name     TEXT NOT NULL,
  movie_id INTEGER NOT NULL,
  PRIMARY KEY (name, movie_id)
) WITHOUT ROWID;
