#!/bin/sh
# The number of movies in each decade, by SQL on an export:
#
#   examples/duckdb.sh http://127.0.0.1:8080
set -eu
file=$(mktemp)
trap 'rm -f "$file"' EXIT
curl -sSf "$1/export" >"$file"
duckdb -csv -noheader -c "
  SELECT year // 10 * 10 AS decade, count(*) FROM read_json('$file', format = 'newline_delimited')
  GROUP BY 1 ORDER BY 1"
