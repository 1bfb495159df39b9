-- +goose Up
CREATE TABLE IF NOT EXISTS worker_status (
  shard           VARBINARY(32) NOT NULL PRIMARY KEY, -- i/n, empty for the whole bucket
  last_pass       BIGINT NOT NULL,                    -- times in Unix milliseconds, 0 = never
  last_commit     BIGINT NOT NULL,
  objects_waiting BIGINT NOT NULL,
  oldest_waiting  BIGINT                              -- NULL = no object waits
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
