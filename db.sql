-- The whole schema as it is now, for MySQL-protocol servers; for reading.
-- The truth is internal/database/migrations; a test keeps this file equal to it.

CREATE TABLE movie (
  id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, -- never reused; gaps are normal
  title  VARBINARY(1024) NOT NULL,                            -- UTF-8, NFC, trimmed
  year   SMALLINT NOT NULL,
  hidden TINYINT NOT NULL,                                    -- 1 = tombstoned: not shown, no rows in movie_cast and movie_genre
  fields MEDIUMBLOB NOT NULL,                                 -- the movie's JSON members, ready to be sent
  stamps BLOB NOT NULL,                                       -- of the tombstone, newest update, cast and genres
  UNIQUE KEY identity (title, year),
  KEY by_year (year, id)                                      -- id spelled out: MySQL plans badly without it
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE movie_cast (
  name     VARBINARY(512) NOT NULL,
  movie_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, movie_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE movie_genre (
  name     VARBINARY(512) NOT NULL,
  movie_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name, movie_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE change_log (
  revision   BIGINT UNSIGNED NOT NULL PRIMARY KEY, -- without holes, in commit order
  movie_id   BIGINT UNSIGNED NOT NULL,
  changed_at BIGINT NOT NULL,                      -- Unix milliseconds
  changed    TINYINT UNSIGNED NOT NULL,            -- 1 created, 2 deleted, 4 restored, 8 cast, 16 genres
  KEY by_movie (movie_id, revision)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE rejection (
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

CREATE TABLE worker_status (
  shard           VARBINARY(32) NOT NULL PRIMARY KEY, -- i/n, empty for the whole bucket
  last_pass       BIGINT NOT NULL,                    -- times in Unix milliseconds, 0 = never
  last_commit     BIGINT NOT NULL,
  objects_waiting BIGINT NOT NULL,
  oldest_waiting  BIGINT                              -- NULL = no object waits
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE catalogue (
  id           TINYINT NOT NULL PRIMARY KEY, -- always 1
  revision     BIGINT UNSIGNED NOT NULL,     -- grows by one per change
  movies       BIGINT NOT NULL,              -- visible ones
  next_pruning BIGINT NOT NULL DEFAULT 0     -- Unix milliseconds: before it, only the process that prunes deletes old rows
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO catalogue (id, revision, movies) VALUES (1, 0, 0);

CREATE TABLE ingest (
  applied_day INT NOT NULL,              -- since 1970; in front, so that writers and pruning each keep to one end
  object_key  VARBINARY(1024) NOT NULL,
  object_time VARBINARY(30) NOT NULL,    -- LastModified as in stamps: RFC 3339 with nanoseconds
  part        VARBINARY(300) NOT NULL,   -- first-last position of what a batch held, ETag; 0-0: the object holds nothing
  outcome     VARBINARY(1100) NOT NULL,  -- Unix milliseconds, updates, changes, rejections, first movies as id@revision (0: no change)
  PRIMARY KEY (applied_day, object_key, object_time, part)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
