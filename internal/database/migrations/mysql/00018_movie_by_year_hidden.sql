-- +goose Up
-- One statement, so that programs that name the index always find one. TiDB cannot do that, and keeps the index as it was.
SET @step = (SELECT IF(COUNT(*) = 0 AND VERSION() NOT LIKE '%TiDB%', 'ALTER TABLE movie DROP KEY by_year, ADD KEY by_year (year, hidden, id)', 'DO 0')
  FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'movie' AND index_name = 'by_year' AND column_name = 'hidden');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
