-- +goose Up
CREATE TABLE IF NOT EXISTS facet (
  kind   VARBINARY(8) NOT NULL,             -- genre or year
  value  VARBINARY(512) NOT NULL,           -- years with four digits, so that they sort
  movies BIGINT NOT NULL,                   -- visible ones; never 0 between transactions
  PRIMARY KEY (kind, value)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;
