"""Files in S3: listings, JSON, parts, and the hash that identifies a folder's content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .config import Place
from .ends import answered

_DELETE_AT_ONCE = 1000
"""Maximum number of keys in a DeleteObjects call (docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html, read 2026-11)."""


@dataclass(frozen=True, kw_only=True)
class File:
    """An object below a folder.

    Attributes:
        name: Key without the folder's prefix.
        size: Size in bytes.
        etag: Entity tag, without quotes.
    """

    name: str
    size: int
    etag: str


def files(s3: Any, place: Place) -> list[File]:
    """Return every object below a folder, in the order of their names; folders' own empty objects are left out."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
    return [
        File(name=item["Key"].removeprefix(place.prefix), size=item["Size"], etag=item["ETag"].strip('"'))
        for page in pages
        for item in page.get("Contents", ())
        if not item["Key"].endswith("/")
    ]


def content_hash(found: Sequence[File]) -> str:
    """Return a hash that changes with every name, size and content of a folder, whatever its prefix."""
    lines = "".join(f"{file.name}\0{file.size}\0{file.etag}\n" for file in sorted(found, key=lambda file: file.name))
    return hashlib.sha256(lines.encode()).hexdigest()


def read(s3: Any, bucket: str, key: str) -> bytes | None:
    """Return an object; None if it does not exist."""
    reply = answered(s3.get_object, Bucket=bucket, Key=key)
    if reply is None:
        return None
    body: bytes = reply["Body"].read()
    return body


def read_json(s3: Any, bucket: str, key: str) -> Any:
    """Return the JSON of an object; None if it does not exist.

    Raises:
        ValueError: The object is not JSON.
    """
    body = read(s3, bucket, key)
    return None if body is None else json.loads(body)


def read_range(s3: Any, bucket: str, key: str, *, first: int, size: int) -> bytes:
    """Return some bytes of an object."""
    reply = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{first + size - 1}")
    body: bytes = reply["Body"].read()
    return body


def write_json(s3: Any, bucket: str, key: str, content: Any) -> None:
    """Write an object as JSON, the same bytes for the same content."""
    body = json.dumps(content, sort_keys=True, indent=1).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def lines(s3: Any, bucket: str, key: str) -> Iterator[bytes]:
    """Yield the lines of an object without holding more than one block of it."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    yield from body.iter_lines(chunk_size=1 << 16)


def delete_all(s3: Any, place: Place) -> int:
    """Delete every object below a folder and every multipart upload started there; return the number of objects."""
    assert place.prefix, "a whole bucket is never deleted"
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=place.bucket, Prefix=place.prefix):
        for upload in page.get("Uploads", ()):
            answered(s3.abort_multipart_upload, Bucket=place.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    keys = [f"{place.prefix}{file.name}" for file in files(s3, place)]
    for first in range(0, len(keys), _DELETE_AT_ONCE):
        some = keys[first : first + _DELETE_AT_ONCE]
        s3.delete_objects(Bucket=place.bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})
    return len(keys)
