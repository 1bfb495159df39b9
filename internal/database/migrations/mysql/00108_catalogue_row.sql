-- +goose Up
INSERT INTO catalogue (id, revision, movies) VALUES (1, 0, 0) ON DUPLICATE KEY UPDATE id = 1;
