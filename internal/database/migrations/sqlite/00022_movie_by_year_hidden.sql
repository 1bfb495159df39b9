-- +goose Up
DROP INDEX IF EXISTS movie_by_year;
CREATE INDEX movie_by_year ON movie (year, hidden, id);
