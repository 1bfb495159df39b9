-- +goose Up
-- One statement, so that programs that name the index always find one. TiDB cannot do that, and keeps the index as it was.
SET @step = (SELECT IF(COUNT(*) = 0 AND VERSION() NOT LIKE '%TiDB%', 'ALTER TABLE movie_genre_pair DROP KEY by_year, ADD KEY by_year (name, year, movie_id, beginnings)', 'DO 0')
  FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'movie_genre_pair' AND index_name = 'by_year' AND column_name = 'beginnings');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
