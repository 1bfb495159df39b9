-- +goose Up
CREATE TABLE IF NOT EXISTS movie (
  id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, -- never reused; gaps are normal
  title  VARBINARY(1024) NOT NULL,                            -- UTF-8, NFC, trimmed
  year   SMALLINT NOT NULL,
  hidden TINYINT NOT NULL,                                    -- 1 = tombstoned: not shown, no rows in movie_cast and movie_genre
  fields MEDIUMBLOB NOT NULL,                                 -- the movie's JSON members, ready to be sent
  stamps BLOB NOT NULL,                                       -- of the tombstone, newest update, cast and genres
  UNIQUE KEY identity (title, year),
  KEY by_year (year, id)                                      -- id spelled out: MySQL plans badly without it
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
