-- +goose Up
-- Not all servers know ADD COLUMN IF NOT EXISTS.
SET @step = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE catalogue ADD COLUMN paired BIGINT UNSIGNED NOT NULL DEFAULT 0', 'DO 0')
  FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'catalogue' AND column_name = 'paired');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
