-- +goose Up
CREATE TABLE IF NOT EXISTS catalogue (
  id       INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  movies   INTEGER NOT NULL
);
