-- +goose Up
CREATE TABLE IF NOT EXISTS movie_cast (
  name     VARBINARY(512) NOT NULL,
  movie_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, movie_id)
);
