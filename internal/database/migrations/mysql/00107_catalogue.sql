-- +goose Up
CREATE TABLE IF NOT EXISTS catalogue (
  id           TINYINT NOT NULL PRIMARY KEY, -- always 1
  revision     BIGINT UNSIGNED NOT NULL,     -- grows by one per change
  movies       BIGINT NOT NULL,              -- visible ones
  next_pruning BIGINT NOT NULL DEFAULT 0     -- Unix milliseconds: before it, only the process that prunes deletes old rows
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
