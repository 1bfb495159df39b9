// Package migrations holds the schema's numbered steps, one statement each
// (MySQL commits every DDL statement by itself), and each such that it may run
// again after a kill between the statement and the note that it ran.
//
// Numbers begin at 101. The lower ones belonged to releases before 1.0, which made
// other tables.
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
