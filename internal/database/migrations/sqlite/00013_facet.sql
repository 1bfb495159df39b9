-- +goose Up
CREATE TABLE IF NOT EXISTS facet (
  kind   TEXT NOT NULL,
  value  TEXT NOT NULL,
  movies INTEGER NOT NULL,
  PRIMARY KEY (kind, value)
) WITHOUT ROWID;
