-- +goose Up
CREATE TABLE IF NOT EXISTS movie_genre_pair (
  name     VARBINARY(1025) NOT NULL,        -- two genres of the movie, the lesser first, a NUL between; empty: it has too many
  movie_id BIGINT UNSIGNED NOT NULL,
  year     SMALLINT NOT NULL,
  PRIMARY KEY (name, movie_id),
  KEY by_year (name, year, movie_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
