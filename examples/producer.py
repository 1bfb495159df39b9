#!/usr/bin/env python3
"""Sends movie updates, one JSON object a line, to the bucket MOVIES_BUCKET_NAME.

    echo '{"title": "My film", "year": 2026}' | MOVIES_BUCKET_NAME=my-bucket examples/producer.py

Credentials, region and endpoint are those of every AWS program.
"""

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
    while chunk := b"".join(itertools.islice(lines, UPDATES)):
        s3.put_object(Bucket=bucket, Key=f"{prefix}{uuid.uuid4()}.ndjson.gz", Body=gzip.compress(chunk))


main()
