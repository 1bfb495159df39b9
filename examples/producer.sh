#!/bin/sh
# Puts files with movie updates where a worker finds them: into the folder
# MOVIES_BUCKET_DIR, or the bucket MOVIES_BUCKET_NAME.
#
#   echo '{"title": "My film", "year": 2026}' >film.json
#   MOVIES_BUCKET_DIR=jpmovies-demo/inbox examples/producer.sh film.json
set -eu
n=0
for file in "$@"; do
  n=$((n + 1))
  # A key of its own, so that it overwrites nothing. Of updates of one second the greater key wins.
  key=${MOVIES_BUCKET_PREFIX:-}$(date -u +%Y%m%dT%H%M%SZ)-$(printf %010d-%06d $$ $n)-$(basename "$file")
  if [ -n "${MOVIES_BUCKET_DIR:-}" ]; then
    to=$MOVIES_BUCKET_DIR/$key
    mkdir -p "$(dirname "$to")"
    # First under a hidden name, so that no worker reads a part.
    part=$(dirname "$to")/.$(basename "$to")
    cp "$file" "$part"
    mv "$part" "$to"
  else
    aws s3 cp --only-show-errors "$file" "s3://$MOVIES_BUCKET_NAME/$key"
  fi
done
