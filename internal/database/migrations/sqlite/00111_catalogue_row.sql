-- +goose Up
INSERT INTO catalogue (id, revision, movies) VALUES (1, 0, 0) ON CONFLICT (id) DO NOTHING;
