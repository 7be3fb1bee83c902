"""Locations in S3: the format of URIs and keys that models and adapters share."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_URI: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.*)")
"""Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html (read 2026-10)."""


class Place(NamedTuple):
    """A bucket, and a key or key prefix in it."""

    bucket: str
    key: str


def place_of(uri: str) -> Place | None:
    """Return bucket and key of an S3 URI; None if the text is not an S3 URI."""
    match = _URI.fullmatch(uri)
    return None if match is None else Place(bucket=match["bucket"], key=match["key"])


_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9!_.'()=+@,:&/-]")
"""`*`, `?` and `${…}` would widen the role's policy
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html); S3 advises against the others
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html, both read 2026-11)."""


def odd_signs(key: str) -> str | None:
    """Return what is wrong with a key or prefix that contains special characters; None if it has none."""
    odd = sorted(set(_NOT_IN_KEYS.findall(key)))
    if not odd:
        return None
    return (
        f"{key!r} has {' '.join(map(repr, odd))}, which IAM policies or S3 clients read as something else; "
        "use letters, digits and ! - _ . ' ( ) = + @ , : &"
    )


def empty_part(key: str) -> str | None:
    """Return what is wrong with a key or prefix that is a URI or has an empty part; None if it is fine."""
    if key.startswith("s3://"):
        return f"{key!r} is an S3 URI, and a key within the bucket is expected; give it as s3, or leave out s3:// and the bucket"
    if key.startswith("/") or "//" in key:
        return f"{key!r} has an empty part; write it without leading or double slashes"
    return None
