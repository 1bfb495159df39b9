-- +goose Up
-- Not all servers know ADD COLUMN IF NOT EXISTS.
SET @step = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE change_log ADD COLUMN changed TINYINT UNSIGNED NOT NULL DEFAULT 0', 'DO 0')
  FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'change_log' AND column_name = 'changed');
PREPARE step FROM @step;
EXECUTE step;
DEALLOCATE PREPARE step;
