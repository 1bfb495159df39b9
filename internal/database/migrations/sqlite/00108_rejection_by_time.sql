-- +goose Up
CREATE INDEX IF NOT EXISTS rejection_by_time ON rejection (rejected_at);
