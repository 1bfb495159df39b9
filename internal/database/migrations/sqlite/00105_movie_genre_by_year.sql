-- +goose Up
CREATE INDEX IF NOT EXISTS movie_genre_by_year ON movie_genre (name, year, movie_id);
