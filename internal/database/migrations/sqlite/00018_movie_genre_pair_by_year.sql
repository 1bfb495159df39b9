-- +goose Up
CREATE INDEX IF NOT EXISTS movie_genre_pair_by_year ON movie_genre_pair (name, year, movie_id);
