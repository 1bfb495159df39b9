-- +goose Up
CREATE TABLE IF NOT EXISTS movie (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  title  TEXT NOT NULL, -- never VARBINARY: SQLite would read 007 as a number
  year   INTEGER NOT NULL,
  hidden INTEGER NOT NULL,
  fields BLOB NOT NULL,
  stamps BLOB NOT NULL,
  UNIQUE (title, year)
);
