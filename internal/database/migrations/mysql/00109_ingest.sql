-- +goose Up
CREATE TABLE IF NOT EXISTS ingest (
  applied_day INT NOT NULL,              -- since 1970; in front, so that writers and pruning each keep to one end
  object_key  VARBINARY(1024) NOT NULL,
  object_time VARBINARY(30) NOT NULL,    -- LastModified as in stamps: RFC 3339 with nanoseconds
  part        VARBINARY(300) NOT NULL,   -- first-last position of what a batch held, ETag; 0-0: the object holds nothing
  outcome     VARBINARY(1100) NOT NULL,  -- Unix milliseconds, updates, changes, rejections, first movies as id@revision (0: no change)
  PRIMARY KEY (applied_day, object_key, object_time, part)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
