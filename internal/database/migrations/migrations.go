// Package migrations holds the schema's numbered steps, one statement each
// (MySQL commits every DDL statement by itself), and each such that it may run
// again after a kill between the statement and the note that it ran.
package migrations

import "embed"

// MySQL are the steps for servers that speak the MySQL protocol.
//
//go:embed mysql/*.sql
var MySQL embed.FS

// SQLite are the steps for SQLite files.
//
//go:embed sqlite/*.sql
var SQLite embed.FS
