-- +goose Up
CREATE TABLE IF NOT EXISTS movie_genre (
  name     TEXT NOT NULL,
  movie_id INTEGER NOT NULL,
  PRIMARY KEY (name, movie_id)
) WITHOUT ROWID;
