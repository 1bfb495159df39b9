-- +goose Up
CREATE TABLE IF NOT EXISTS change_log (
  revision   BIGINT UNSIGNED NOT NULL PRIMARY KEY, -- without holes, in commit order
  movie_id   BIGINT UNSIGNED NOT NULL,
  changed_at BIGINT NOT NULL,                      -- Unix milliseconds
  changed    TINYINT UNSIGNED NOT NULL,            -- 1 created, 2 deleted, 4 restored, 8 cast, 16 genres
  KEY by_movie (movie_id, revision)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
