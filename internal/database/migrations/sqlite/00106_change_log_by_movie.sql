-- +goose Up
CREATE INDEX IF NOT EXISTS change_log_by_movie ON change_log (movie_id, revision);
