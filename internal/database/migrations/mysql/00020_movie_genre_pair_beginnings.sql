-- +goose Up
-- Not all servers know ADD COLUMN IF NOT EXISTS.
SET @step = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE movie_genre_pair ADD COLUMN beginnings BIGINT NOT NULL DEFAULT 9223372036854775807', 'DO 0')
  FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'movie_genre_pair' AND column_name = 'beginnings');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
