-- +goose Up
CREATE TABLE IF NOT EXISTS movie_genre (
  name     VARBINARY(512) NOT NULL,
  movie_id BIGINT UNSIGNED NOT NULL,
  year     SMALLINT NOT NULL,               -- the movie's, so that genre and year together are one range
  PRIMARY KEY (name, movie_id),
  KEY by_year (name, year, movie_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
