#!/usr/bin/env python3
"""Sends movie updates, one JSON object a line, to the bucket MOVIES_BUCKET_NAME.

    echo '{"title": "My film", "year": 2026}' | MOVIES_BUCKET_NAME=my-bucket examples/producer.py

Credentials, region and endpoint are those of every AWS program.
"""

import datetime
import gzip
import itertools
import os
import sys
import uuid

import boto3

UPDATES = 10_000  # in one object


def main():
    s3 = boto3.client("s3")
    bucket, prefix = os.environ["MOVIES_BUCKET_NAME"], os.environ.get("MOVIES_BUCKET_PREFIX", "")
    lines = iter(sys.stdin.buffer)
    # Keys of its own, in order: of updates of one second the greater key wins.
    run = f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4()}"
    for n in itertools.count():
        chunk = b"".join(itertools.islice(lines, UPDATES))
        if not chunk:
            break
        s3.put_object(Bucket=bucket, Key=f"{prefix}{run}-{n:09}.ndjson.gz", Body=gzip.compress(chunk))


main()
