"""Places in S3: the form of URIs and keys that models and adapters share."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_URI: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.*)")
"""Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (read 2026-10)."""


class Place(NamedTuple):
    """A bucket, and a key or the prefix of several keys in it."""

    bucket: str
    key: str


def place_of(uri: str) -> Place | None:
    """Return bucket and key of an S3 URI; None if the text is no S3 URI."""
    match = _URI.fullmatch(uri)
    return None if match is None else Place(bucket=match["bucket"], key=match["key"])


def empty_part(key: str) -> str | None:
    """Return what is wrong with a key or prefix that has an empty part; None if it has none."""
    if key.startswith("/") or "//" in key:
        return f"{key!r} has an empty part; write it without leading or double slashes"
    return None
