-- +goose Up
-- Not all servers know ADD KEY IF NOT EXISTS.
SET @step = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE change_log ADD KEY by_movie (movie_id, revision)', 'DO 0')
  FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'change_log' AND index_name = 'by_movie');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
