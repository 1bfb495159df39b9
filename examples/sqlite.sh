#!/bin/sh
# The five people with the most movies, by SQL on an export:
#
#   examples/sqlite.sh http://127.0.0.1:8080
set -eu
file=$(mktemp)
trap 'rm -f "$file"' EXIT
curl -sSf "$1/export?format=csv" >"$file"
sqlite3 :memory: ".import --csv $file movies" '
  SELECT name.value, count(*) FROM movies, json_each(movies."cast") AS name
  GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5'
