-- +goose Up
CREATE INDEX IF NOT EXISTS movie_by_year ON movie (year, id);
