-- +goose Up
CREATE TABLE IF NOT EXISTS rejection (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  object_key  VARBINARY(1024) NOT NULL,
  object_etag VARBINARY(255) NOT NULL,
  position    BIGINT NOT NULL,           -- of the update in its object, from 1
  reason      VARBINARY(2048) NOT NULL,
  bytes       MEDIUMBLOB NOT NULL,       -- the first 64 KiB of what was rejected
  truncated   TINYINT NOT NULL,          -- 1 = there was more
  rejected_at BIGINT NOT NULL,           -- Unix milliseconds
  UNIQUE KEY generation (object_key, object_etag, position),
  KEY by_time (rejected_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
