-- +goose Up
CREATE TABLE IF NOT EXISTS movie_word (
  name     VARBINARY(64) NOT NULL,          -- a word of the title, folded: what q looks for
  movie_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, movie_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
