-- +goose Up
CREATE TABLE IF NOT EXISTS change_log (
  revision   BIGINT UNSIGNED NOT NULL PRIMARY KEY, -- without holes, in commit order
  movie_id   BIGINT UNSIGNED NOT NULL,
  changed_at BIGINT NOT NULL                       -- Unix milliseconds
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
